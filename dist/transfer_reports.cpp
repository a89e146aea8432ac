#include "dist/transfer_reports.h"

#include "core/error.h"
#include "core/log.h"

#include <algorithm>
#include <cstring>
#include <set>

namespace lockstep {
namespace {

void put(std::vector<std::byte>& bytes, uint64_t value) {
  bytes.resize(bytes.size() + sizeof(value));
  std::memcpy(bytes.data() + bytes.size() - sizeof(value), &value, sizeof(value));
}

uint64_t take_number(std::span<const std::byte>& bytes) {
  uint64_t value = 0;
  LS_REQUIRE(FormatError, bytes.size() >= sizeof(value), "a report of transfers ends early");
  std::memcpy(&value, bytes.data(), sizeof(value));
  bytes = bytes.subspan(sizeof(value));
  return value;
}

// rank, done_through by channel, number of failures; of each channel, number, page, length of its reason, reason.
std::vector<std::byte> serialize(size_t rank, const TransferReport& report) {
  std::vector<std::byte> bytes;
  put(bytes, rank);
  for (const uint64_t done : report.done_through) put(bytes, done);
  put(bytes, report.failures.size());
  for (const TransferFailure& failure : report.failures) {
    put(bytes, static_cast<uint64_t>(failure.channel));
    put(bytes, failure.number);
    put(bytes, static_cast<uint64_t>(failure.page.value()));
    put(bytes, failure.reason.size());
    const auto raw = std::as_bytes(std::span(failure.reason));
    bytes.insert(bytes.end(), raw.begin(), raw.end());
  }
  return bytes;
}

TransferReport deserialize(std::span<const std::byte> bytes, size_t* rank) {
  TransferReport report;
  *rank = take_number(bytes);
  for (uint64_t& done : report.done_through) done = take_number(bytes);
  const uint64_t count = take_number(bytes);
  for (uint64_t i = 0; i < count; ++i) {
    TransferFailure& failure = report.failures.emplace_back();
    const uint64_t channel = take_number(bytes);
    LS_REQUIRE(FormatError, channel < kNumTransferChannels, "a report of transfers names channel {}", channel);
    failure.channel = static_cast<TransferChannel>(channel);
    failure.number = take_number(bytes);
    failure.page = PageId(static_cast<int64_t>(take_number(bytes)));
    const uint64_t length = take_number(bytes);
    LS_REQUIRE(FormatError, length <= bytes.size(), "a report of transfers ends early");
    failure.reason.assign(reinterpret_cast<const char*>(bytes.data()), length);
    bytes = bytes.subspan(length);
  }
  return report;
}

}  // namespace

TransferReports::TransferReports(Communicator& group)
    : rank_(static_cast<size_t>(group.rank().value())),
      mailbox_(group.make_mailbox()),
      latest_(rank_ == 0 ? static_cast<size_t>(group.size()) : 0) {}

void TransferReports::post(const TransferReport& report) {
  mailbox_->advance();
  if (report.failures.empty() && report.done_through == posted_.done_through) return;
  mailbox_->send(serialize(rank_, report));
  posted_.done_through = report.done_through;
}

TransferStatus TransferReports::collect(const TransferReport& mine) {
  TransferStatus status;
  take(0, mine, status);
  while (const auto message = mailbox_->poll()) {
    size_t rank = 0;
    const TransferReport report = deserialize(*message, &rank);
    LS_REQUIRE(FormatError, rank < latest_.size(), "a report of transfers from rank {}", rank);
    take(rank, report, status);
  }
  status.done = latest_.front().done_through;
  for (const TransferReport& one : latest_) {
    for (size_t channel = 0; channel < kNumTransferChannels; ++channel) {
      status.done[channel] = std::min(status.done[channel], one.done_through[channel]);
    }
  }
  return status;
}

void TransferReports::take(size_t rank, const TransferReport& report, TransferStatus& status) {
  latest_[rank].done_through = report.done_through;
  for (const TransferFailure& failure : report.failures) {
    // A copy down that failed costs nothing but the copy, unless it was the only one left.
    log_warn("KV cache: rank {}: page {}: {}", rank, failure.page.value(), failure.reason);
    status.failed.push_back({failure.channel, failure.number});
  }
}

std::vector<PageId> agree_on_failed_pages(Communicator& group, std::span<const PageId> mine) {
  const auto most = static_cast<size_t>(group.all_reduce_max(static_cast<int64_t>(mine.size())));
  if (most == 0) return {};
  std::vector<PageId> padded(mine.begin(), mine.end());
  padded.resize(most, PageId(-1));
  std::vector<PageId> all(most * static_cast<size_t>(group.size()));
  group.all_gather(std::as_bytes(std::span(padded)), std::as_writable_bytes(std::span(all)));
  std::set<PageId> failed(all.begin(), all.end());
  failed.erase(PageId(-1));
  return {failed.begin(), failed.end()};
}

}  // namespace lockstep
