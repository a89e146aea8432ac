// gzip streams through zlib; compression.h is what callers use.
#pragma once

#include "launcher/batch/compression.h"

#include <memory>
#include <string>

namespace lockstep {

std::unique_ptr<ByteStream> make_gzip_unpacker(std::string name, ByteSink sink);
std::unique_ptr<ByteStream> make_gzip_packer(ByteSink sink);

}  // namespace lockstep
