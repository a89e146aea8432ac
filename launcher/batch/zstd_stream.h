// zstd streams through libzstd; compression.h is what callers use.
#pragma once

#include "launcher/batch/compression.h"

#include <memory>
#include <string>

namespace lockstep {

/// Windows of up to 128 MiB, libzstd's own limit: what a frame asks beyond that is refused.
std::unique_ptr<ByteStream> make_zstd_unpacker(std::string name, ByteSink sink);
std::unique_ptr<ByteStream> make_zstd_packer(ByteSink sink);

}  // namespace lockstep
