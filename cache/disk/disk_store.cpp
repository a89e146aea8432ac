#include "cache/disk/disk_store.h"

#include "cache/disk/deadline_thread.h"
#include "cache/disk/store_session.h"
#include "core/error.h"
#include "core/log.h"

#include <utility>

namespace lockstep {
namespace {

using Results = std::vector<std::optional<std::string>>;

template <class Page>
void check_memory(const Page& page, const WriterFacts& facts) {
  const auto heads = static_cast<int64_t>(page.heads.size()), crcs = static_cast<int64_t>(page.layer_crcs.size());
  LS_CHECK(heads == facts.page_bytes() && crcs == facts.num_crcs() &&
               reinterpret_cast<uintptr_t>(page.heads.data()) % kDiskAlignment == 0,
           "a page of {} bytes at {} with {} checksums; it has {} bytes at a multiple of {}, and {} checksums", heads,
           static_cast<const void*>(page.heads.data()), crcs, facts.page_bytes(), kDiskAlignment, facts.num_crcs());
}

void warn_of_room(const DiskStoreOptions& options, const DiskStoreOpening& opening, int64_t capacity_pages) {
  const std::string directory = options.directory.string();
  if (opening.unreadable_bytes > 0)
    log_warn(
        "disk cache: {} bytes of {} are in segments of another version, or damaged. They count against the {} bytes "
        "that "
        "it may have, and no job removes them: `lockstep cache purge --dir {} --all` does{}",
        opening.unreadable_bytes, directory, options.capacity_bytes, directory,
        capacity_pages == 0 ? ". There is no room beside them; nothing is written" : "");
  else if (capacity_pages == 0)
    log_warn("disk cache: other jobs hold all {} bytes of {}; nothing is written", options.capacity_bytes, directory);
}

}  // namespace

/// What a late call shares with the store that gave it up.
class DiskStore::Impl {
 public:
  Impl(const DiskStoreOptions& asked, const std::shared_ptr<SystemCalls>& calls)
      : Impl(asked, open_store(asked, calls)) {}

  // Not changed after opening.
  const DiskStoreOptions options;
  const std::string io, refusals;
  const WriterFacts facts;
  const int64_t capacity_pages;
  const std::vector<Hash128> pages;
  const DiskStoreOpening opening;
  // Used by the store's thread only.
  StoreSession session;

 private:
  Impl(const DiskStoreOptions& asked, OpenedStore opened)
      : options(asked),
        io(opened.engine.name),
        refusals(opened.engine.refusals),
        facts(opened.facts),
        capacity_pages(opened.num_segments * opened.facts.pages_per_segment),
        pages(std::move(opened.pages)),
        opening(std::move(opened.report)),
        session(asked, std::move(opened)) {}
};

DiskStore::DiskStore(const DiskStoreOptions& options, std::shared_ptr<SystemCalls> calls)
    : impl_(std::make_shared<Impl>(options, calls ? calls : std::make_shared<SystemCalls>())),
      thread_(std::make_unique<DeadlineThread>()) {
  log_info("disk cache: {} through {}{}; {} pages of this model, {} of others, room for {} more",
           options.directory.string(), impl_->io, impl_->refusals.empty() ? "" : " (" + impl_->refusals + ")",
           impl_->opening.pages, impl_->opening.pages_of_others, impl_->capacity_pages);
  warn_of_room(options, impl_->opening, impl_->capacity_pages);
  for (const std::string& problem : impl_->opening.problems) log_warn("disk cache: {}", problem);
}

DiskStore::~DiskStore() {
  thread_->run([impl = impl_] { impl->session.close(); }, impl_->options.timeout);
}

const std::vector<Hash128>& DiskStore::pages() const { return impl_->pages; }
int64_t DiskStore::capacity_pages() const { return impl_->capacity_pages; }
int64_t DiskStore::pages_per_segment() const { return impl_->facts.pages_per_segment; }
const std::string& DiskStore::io() const { return impl_->io; }
DiskStoreBytes DiskStore::bytes() const { return impl_->session.bytes(); }
const DiskStoreOpening& DiskStore::opening() const { return impl_->opening; }
bool DiskStore::is_off() const { return thread_->is_given_up(); }
bool DiskStore::is_idle() const { return thread_->is_idle(); }

template <class Page, class Call>
Results DiskStore::run_pages(std::span<const Page> pages, const Call& call) {
  for (const Page& page : pages) check_memory(page, impl_->facts);
  const bool was_off = is_off();
  const auto results = std::make_shared<Results>(pages.size());
  const bool is_done = thread_->run(
      [call, results, impl = impl_, mine = std::vector<Page>(pages.begin(), pages.end())] {
        try {
          *results = call(impl->session, mine);
        } catch (const std::exception& error) {  // memory ran out
          for (auto& result : *results) result = error.what();
        }
      },
      impl_->options.timeout);
  return is_done ? std::move(*results) : Results(pages.size(), late_text(was_off));
}

std::string DiskStore::late_text(bool was_off) const {
  return was_off ? fmt::format("the disk cache in {} is off since a call was late", impl_->options.directory.string())
                 : fmt::format("the disk under {} does not answer within {} ms", impl_->options.directory.string(),
                               impl_->options.timeout.count());
}

Results DiskStore::write(std::span<const Write> pages) {
  return run_pages(pages, [](StoreSession& session, const std::vector<Write>& mine) { return session.write(mine); });
}

Results DiskStore::read(std::span<const Read> pages) {
  return run_pages(pages, [](StoreSession& session, const std::vector<Read>& mine) { return session.read(mine); });
}

std::optional<std::string> DiskStore::forget(std::span<const Hash128> keys) {
  const bool was_off = is_off();
  const auto result = std::make_shared<std::optional<std::string>>();
  const bool is_done = thread_->run(
      [result, impl = impl_, mine = std::vector<Hash128>(keys.begin(), keys.end())] {
        try {
          *result = impl->session.forget(mine);
        } catch (const std::exception& error) {
          *result = error.what();
        }
      },
      impl_->options.timeout);
  return is_done ? std::move(*result) : late_text(was_off);
}

}  // namespace lockstep
