// The two kinds of CPU streams; see core/stream.h for what they promise.
#pragma once

#include "core/stream_impl.h"

#include <memory>
#include <string>

namespace lockstep::cpu {

std::unique_ptr<Stream::Impl> make_inline_stream();
std::unique_ptr<Stream::Impl> make_async_stream(const std::string& name);

}  // namespace lockstep::cpu
