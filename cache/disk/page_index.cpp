#include "cache/disk/page_index.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace lockstep {

int64_t PagePart::offset() const {
  const WriterFacts& facts = copy->segment->facts;
  const auto before = std::span(copy->packing).first(static_cast<size_t>(heads.first - copy->heads.first));
  return facts.slot_offset(copy->slot) + copy->begin + lockstep::stored_bytes(before, facts.shape);
}

std::span<const RecordPacking> PagePart::packing() const {
  return std::span(copy->packing)
      .subspan(static_cast<size_t>(heads.first - copy->heads.first), static_cast<size_t>(heads.count));
}

bool PagePart::is_packed() const { return std::ranges::any_of(packing(), &RecordPacking::is_packed); }

int64_t PagePart::stored_bytes() const { return lockstep::stored_bytes(packing(), copy->segment->facts.shape); }

std::span<const uint32_t> PagePart::layer_crcs() const {
  const auto layers = static_cast<size_t>(copy->segment->facts.shape.num_layers);
  return std::span(copy->layer_crcs)
      .subspan(static_cast<size_t>(heads.first - copy->heads.first) * layers,
               static_cast<size_t>(heads.count) * layers);
}

void PageIndex::add(const Hash128& key, PageCopy copy) {
  std::vector<PageCopy>& copies = pages_[key];
  copies.insert(copies.begin(), std::move(copy));
}

std::vector<PagePart> PageIndex::find(const Hash128& key) const {
  const auto page = pages_.find(key);
  if (page == pages_.end()) return {};
  std::vector<PagePart> parts;
  for (int32_t head = heads_.first; head < heads_.end();) {
    const PageCopy* longest = nullptr;
    for (const PageCopy& copy : page->second) {
      const bool is_longer = longest == nullptr || copy.heads.end() > longest->heads.end();
      if (copy.heads.contains(head) && is_longer) longest = &copy;
    }
    if (longest == nullptr) return {};
    const int32_t end = std::min(longest->heads.end(), heads_.end());
    parts.push_back({longest, {head, end - head}});
    head = end;
  }
  return parts;
}

std::vector<PageCopy> PageIndex::remove(const Hash128& key) {
  auto page = pages_.extract(key);
  return page.empty() ? std::vector<PageCopy>() : std::move(page.mapped());
}

void PageIndex::remove_unopened() {
  for (auto& [key, copies] : pages_) std::erase_if(copies, [](const PageCopy& copy) { return !copy.segment->file; });
}

std::vector<Hash128> PageIndex::keep_whole_pages() {
  std::erase_if(pages_, [&](const auto& page) { return find(page.first).empty(); });
  std::vector<std::tuple<int64_t, Hash128>> by_age;
  for (const auto& [key, copies] : pages_) {
    int64_t whole_since = 0;
    for (const PagePart& part : find(key)) whole_since = std::max(whole_since, part.copy->time);
    by_age.emplace_back(whole_since, key);
  }
  std::ranges::sort(by_age);
  std::vector<Hash128> keys;
  for (const auto& [time, key] : by_age) keys.push_back(key);
  return keys;
}

}  // namespace lockstep
