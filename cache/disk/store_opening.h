// Opening a disk store: lock the directory, scan it, recover, take a share, begin a log, and index what is there.
#pragma once

#include "cache/disk/disk_store.h"
#include "cache/disk/page_index.h"
#include "cache/disk/transfer_engine.h"
#include "cache/disk/writer_log.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace lockstep {

struct OpenedStore {
  std::shared_ptr<SystemCalls> calls;
  ChosenEngine engine;
  WriterFacts facts;
  int64_t num_segments = 0;  // that this rank may have at a time
  std::unique_ptr<WriterLog> log;
  PageIndex index{{}};
  std::vector<Hash128> pages;
  DiskStoreOpening report;
};

/// Throws as DiskStore's constructor.
OpenedStore open_store(const DiskStoreOptions& options, const std::shared_ptr<SystemCalls>& calls);

}  // namespace lockstep
