#include "cache/disk/payload_io.h"

#include <algorithm>
#include <utility>

namespace lockstep {
namespace {

/// Of packed records at a time: enough for the disk and for the threads.
constexpr int64_t kScratchBytes = int64_t{32} << 20;

int64_t size_of(std::span<const std::byte> bytes) { return static_cast<int64_t>(bytes.size()); }

Transfer write_of(const PayloadIo::Write& page, const std::byte* data, int64_t bytes) {
  // A write only reads the memory.
  return {page.fd, true, const_cast<std::byte*>(data), bytes, page.offset};
}

template <class Page>
void take_errors(std::span<const Transfer> transfers, std::span<Page> pages) {
  for (size_t i = 0; i < pages.size(); ++i) {
    if (transfers[i].error != 0) pages[i].problem = error_text(transfers[i].error);
  }
}

int64_t bytes_to_unpack(const PayloadIo::Read& part, const RecordShape& shape) {
  return std::ranges::any_of(part.packing, &RecordPacking::is_packed) ? stored_bytes(part.packing, shape) : 0;
}

}  // namespace

PayloadIo::PayloadIo(std::unique_ptr<TransferEngine> engine, const RecordShape& shape, int level, int num_threads)
    : engine_(std::move(engine)), shape_(shape), level_(level), num_threads_(num_threads) {}

void PayloadIo::write(std::span<Write> pages) {
  if (level_ == 0) {
    std::vector<Transfer> transfers;
    for (Write& page : pages) {
      page.packing.assign(page.heads.size() / static_cast<size_t>(shape_.aligned_payload_bytes()), {});
      transfers.push_back(write_of(page, page.heads.data(), size_of(page.heads)));
    }
    engine_->run(transfers);
    take_errors<Write>(transfers, pages);
    return;
  }
  while (!pages.empty()) {
    const auto at_once = static_cast<size_t>(std::max<int64_t>(kScratchBytes / size_of(pages[0].heads), 1));
    const size_t num = std::min(at_once, pages.size());
    write_packed(pages.first(num));
    pages = pages.subspan(num);
  }
}

void PayloadIo::write_packed(std::span<Write> pages) {
  const int64_t page_bytes = size_of(pages[0].heads), record_bytes = shape_.aligned_payload_bytes();
  std::byte* const memory = scratch(static_cast<int64_t>(pages.size()) * page_bytes);
  std::vector<Transfer> transfers(pages.size());
  threads().parallel_for(static_cast<int64_t>(pages.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      Write& page = pages[static_cast<size_t>(i)];
      const std::span place(memory + i * page_bytes, static_cast<size_t>(page_bytes));
      int64_t bytes = 0;
      for (int64_t at = 0; at < page_bytes; at += record_bytes) {
        const auto record = page.heads.subspan(static_cast<size_t>(at), static_cast<size_t>(record_bytes));
        page.packing.push_back(pack_record(record, shape_, level_, place.subspan(static_cast<size_t>(bytes))));
        bytes += stored_bytes(page.packing.back(), shape_);
      }
      transfers[static_cast<size_t>(i)] = write_of(page, place.data(), bytes);
    }
  });
  engine_->run(transfers);
  take_errors(std::span<const Transfer>(transfers), pages);
}

void PayloadIo::read(std::span<Read> parts) {
  while (!parts.empty()) {
    size_t num = 0;
    int64_t bytes = 0;
    for (; num < parts.size(); ++num) {
      const int64_t more = bytes_to_unpack(parts[num], shape_);
      if (num > 0 && bytes + more > kScratchBytes) break;
      bytes += more;
    }
    read_group(parts.first(num), bytes);
    parts = parts.subspan(num);
  }
}

void PayloadIo::read_group(std::span<Read> parts, int64_t scratch_bytes) {
  struct Record {
    size_t part;
    RecordPacking packing;
    std::span<const std::byte> stored;
    std::span<std::byte> record;
    std::string problem;
  };
  std::byte* memory = scratch(scratch_bytes);
  const auto record_bytes = static_cast<size_t>(shape_.aligned_payload_bytes());
  std::vector<Transfer> transfers;
  std::vector<Record> records;
  for (size_t i = 0; i < parts.size(); ++i) {
    const Read& part = parts[i];
    const int64_t bytes = bytes_to_unpack(part, shape_);
    transfers.push_back(
        {part.fd, false, bytes > 0 ? memory : part.heads.data(), bytes > 0 ? bytes : size_of(part.heads), part.offset});
    for (size_t head = 0; bytes > 0 && head < part.packing.size(); ++head) {
      const auto stored = static_cast<size_t>(stored_bytes(part.packing[head], shape_));
      records.push_back(
          {i, part.packing[head], {memory, stored}, part.heads.subspan(head * record_bytes, record_bytes), {}});
      memory += stored;
    }
  }
  engine_->run(transfers);
  take_errors(std::span<const Transfer>(transfers), parts);
  if (records.empty()) return;
  threads().parallel_for(static_cast<int64_t>(records.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      Record& one = records[static_cast<size_t>(i)];
      if (transfers[one.part].error == 0) one.problem = unpack_record(one.stored, one.packing, shape_, one.record);
    }
  });
  for (const Record& one : records) {
    if (parts[one.part].problem.empty()) parts[one.part].problem = one.problem;
  }
}

std::byte* PayloadIo::scratch(int64_t bytes) {
  if (size_of(scratch_.span()) < bytes) scratch_ = AlignedBytes(bytes);
  return scratch_.data();
}

ThreadPool& PayloadIo::threads() {
  if (!threads_) threads_ = std::make_unique<ThreadPool>(num_threads_);
  return *threads_;
}

}  // namespace lockstep
