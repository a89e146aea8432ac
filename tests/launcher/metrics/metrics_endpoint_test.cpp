#include "launcher/metrics/metrics_endpoint.h"

#include "tests/launcher/metrics/example_stats.h"
#include "tests/launcher/metrics/exposition.h"
#include "tests/launcher/metrics/http_client.h"
#include "tests/support/expect_throw.h"

#include <thread>

namespace lockstep {
namespace {

using testing_support::connect_to;
using testing_support::example_snapshot;
using testing_support::expect_throw;
using testing_support::Exposition;
using testing_support::http_get;
using testing_support::HttpAnswer;
using testing_support::parse_exposition;
using testing_support::snapshot_in;

TEST(MetricsEndpoint, AnswersWithTheLatestSnapshot) {
  MetricsEndpoint endpoint("127.0.0.1", 0, snapshot_in("loading"));
  ASSERT_GT(endpoint.port(), 0);
  EXPECT_EQ(endpoint.url(), "http://127.0.0.1:" + std::to_string(endpoint.port()) + "/metrics");
  const HttpAnswer first = http_get(endpoint.port(), "/metrics");
  EXPECT_EQ(first.code, 200);
  EXPECT_NE(first.head.find("Content-Type: text/plain"), first.head.npos) << first.head;
  EXPECT_EQ(parse_exposition(first.body).value("lockstep_job_state", {{"state", "loading"}}), 1);
  endpoint.show(example_snapshot());
  const Exposition second = parse_exposition(http_get(endpoint.port(), "/metrics").body);
  EXPECT_EQ(second.value("lockstep_job_state", {{"state", "running"}}), 1);
  EXPECT_EQ(second.value("lockstep_cache_hit_tokens_total", {{"tier", "disk"}}), 3000);
}

TEST(MetricsEndpoint, ServesNothingElse) {
  const MetricsEndpoint endpoint("127.0.0.1", 0, {});
  EXPECT_EQ(http_get(endpoint.port(), "/").code, 404);
  EXPECT_EQ(http_get(endpoint.port(), "/etc/passwd").code, 404);
}

TEST(MetricsEndpoint, SaysWhyItCannotListen) {
  const MetricsEndpoint endpoint("127.0.0.1", 0, {});
  const std::string port = std::to_string(endpoint.port());
  expect_throw<ConfigError>([&] { MetricsEndpoint("127.0.0.1", endpoint.port(), {}); },
                            {"metrics-port = " + port, "127.0.0.1:" + port, "Address already in use"});
  for (const char* address : {"localhost", "::1", "", "127.0.0.1:80,127.0.0.2"})
    expect_throw<ConfigError>([&] { MetricsEndpoint(address, 0, {}); },
                              {std::string("metrics-address = '") + address + "'", "127.0.0.1 and 0.0.0.0"});
  // 192.0.2.0/24 is for documentation: no machine has it.
  expect_throw<ConfigError>([&] { MetricsEndpoint("192.0.2.1", 0, {}); }, {"Cannot assign requested address"});
}

TEST(MetricsEndpoint, FreesItsPort) {
  int64_t port = 0;
  {
    const MetricsEndpoint endpoint("127.0.0.1", 0, {});
    port = endpoint.port();
  }
  const MetricsEndpoint again("127.0.0.1", port, {});
  EXPECT_EQ(again.port(), port);
}

TEST(MetricsEndpoint, SnapshotsAreWholeWhileTheyChange) {
  MetricsEndpoint endpoint("127.0.0.1", 0, snapshot_in("running"));
  std::jthread writer([&](const std::stop_token& stop) {
    for (int64_t i = 0; !stop.stop_requested(); ++i) {
      MetricsSnapshot snapshot = snapshot_in("running");
      snapshot.report.rows_total = snapshot.report.prompt_tokens = i;
      snapshot.report.engines.cache.preemptions = i;
      endpoint.show(std::move(snapshot));
    }
  });
  for (int i = 0; i < 50; ++i) {
    const Exposition text = parse_exposition(http_get(endpoint.port(), "/metrics").body);
    EXPECT_EQ(text.value("lockstep_rows"), text.value("lockstep_prompt_tokens_total"));
    EXPECT_EQ(text.value("lockstep_rows"), text.value("lockstep_cache_preemptions_total"));
  }
}

// Who goes away in the middle of an answer must not take the job with it (SIGPIPE).
TEST(MetricsEndpoint, OutlivesRudeClients) {
  const MetricsEndpoint endpoint("127.0.0.1", 0, example_snapshot());
  for (int i = 0; i < 50; ++i) {
    const int descriptor = connect_to(endpoint.port());
    std::string requests;
    for (int n = 0; n < 20; ++n) requests += "GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n";
    EXPECT_GT(::send(descriptor, requests.data(), requests.size(), MSG_NOSIGNAL), 0);
    const linger at_once{.l_onoff = 1, .l_linger = 0};  // closing resets the connection
    ::setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    ::close(descriptor);
  }
  EXPECT_EQ(http_get(endpoint.port(), "/metrics").code, 200);
}

// One that keeps its connection, as Prometheus does, and one that never asks.
TEST(MetricsEndpoint, EndsUnderOpenConnections) {
  auto endpoint = std::make_unique<MetricsEndpoint>("127.0.0.1", 0, MetricsSnapshot{});
  const int64_t port = endpoint->port();
  const int silent = connect_to(port), kept = connect_to(port);
  const std::string request = "GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n";
  EXPECT_GT(::send(kept, request.data(), request.size(), MSG_NOSIGNAL), 0);
  char byte = 0;
  EXPECT_EQ(::recv(kept, &byte, 1, 0), 1);
  endpoint.reset();
  expect_throw<std::runtime_error>([&] { connect_to(port); }, {"cannot connect"});
  ::close(silent);
  ::close(kept);
}

}  // namespace
}  // namespace lockstep
