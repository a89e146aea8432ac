#include "launcher/metrics/metrics_endpoint.h"

#include "core/error.h"
#include "launcher/metrics/metric_families.h"

#include <arpa/inet.h>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <future>
#include <mutex>
#include <netinet/in.h>
#include <prometheus/collectable.h>
#include <prometheus/exposer.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace lockstep {
namespace {

class LatestSnapshot : public prometheus::Collectable {
 public:
  explicit LatestSnapshot(MetricsSnapshot first) { set(std::move(first)); }

  void set(MetricsSnapshot snapshot) {
    auto next = std::make_shared<const MetricsSnapshot>(std::move(snapshot));
    const std::lock_guard lock(mutex_);
    latest_.swap(next);
  }
  std::vector<prometheus::MetricFamily> Collect() const override { return metric_families(*get()); }

 private:
  std::shared_ptr<const MetricsSnapshot> get() const {
    const std::lock_guard lock(mutex_);
    return latest_;
  }

  mutable std::mutex mutex_;
  std::shared_ptr<const MetricsSnapshot> latest_;
};

std::string address_and_port(const std::string& address, int64_t port) { return fmt::format("{}:{}", address, port); }

sockaddr_in place_of(in_addr address, int64_t port) {
  sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_addr = address;
  place.sin_port = htons(static_cast<uint16_t>(port));
  return place;
}

in_addr parse(const std::string& address) {
  in_addr parsed{};
  LS_REQUIRE(ConfigError, ::inet_pton(AF_INET, address.c_str(), &parsed) == 1,
             "metrics-address = '{}': accepted are IPv4 addresses such as 127.0.0.1 and 0.0.0.0", address);
  return parsed;
}

// The HTTP library says only that it failed; trying the same by hand says why.
std::string why_not(in_addr address, int64_t port) {
  const sockaddr_in place = place_of(address, port);
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int reuse = 1;  // as the library does
  std::string reason = "the HTTP server does not start";
  if (descriptor < 0 || ::setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse) != 0 ||
      ::bind(descriptor, reinterpret_cast<const sockaddr*>(&place), sizeof place) != 0)
    reason = std::strerror(errno);
  if (descriptor >= 0) ::close(descriptor);
  return reason;
}

/// Opens a connection and closes it; whether somebody answers does not matter.
void knock(const sockaddr_in& place) {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) return;
  (void)::connect(descriptor, reinterpret_cast<const sockaddr*>(&place), sizeof place);
  ::close(descriptor);
}

}  // namespace

struct MetricsEndpoint::Impl {
  Impl(std::string address_in, int64_t port, MetricsSnapshot first)
      : address(std::move(address_in)),
        latest(std::make_shared<LatestSnapshot>(std::move(first))),
        // One worker answers scrapes, the other those of a second scraper or a person meanwhile.
        exposer(address_and_port(address, port), /*num_threads=*/2) {
    exposer.RegisterCollectable(latest);
  }

  std::string address;
  std::shared_ptr<LatestSnapshot> latest;
  prometheus::Exposer exposer;  // ends its threads before `latest` goes
};

MetricsEndpoint::MetricsEndpoint(const std::string& address, int64_t port, MetricsSnapshot first) {
  const in_addr parsed = parse(address);
  try {
    impl_ = std::make_unique<Impl>(address, port, std::move(first));
  } catch (const std::exception&) {
    LS_THROW(ConfigError, "metrics-port = {}: cannot listen on {}: {}", port, address_and_port(address, port),
             why_not(parsed, port));
  }
}

// The library's threads look every two seconds, or when somebody knocks, whether they shall end.
MetricsEndpoint::~MetricsEndpoint() {
  if (!impl_) return;
  constexpr std::chrono::milliseconds kPatience{10};
  const sockaddr_in place = place_of(parse(impl_->address), port());
  const std::future<void> end = std::async(std::launch::async, [this] { impl_.reset(); });
  while (end.wait_for(kPatience) != std::future_status::ready) knock(place);
}

void MetricsEndpoint::show(MetricsSnapshot snapshot) { impl_->latest->set(std::move(snapshot)); }

int64_t MetricsEndpoint::port() const { return impl_->exposer.GetListeningPorts().at(0); }

std::string MetricsEndpoint::url() const {
  return fmt::format("http://{}/metrics", address_and_port(impl_->address, port()));
}

}  // namespace lockstep
