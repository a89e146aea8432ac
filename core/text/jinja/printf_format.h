// Python's `"…" % values`, which the filter `format` is as well.
#pragma once

#include "core/text/jinja/value.h"

#include <string>
#include <string_view>

namespace lockstep::jinja {

/// `values`: a tuple of them, a dict for %(name)s, or a single one. Throws Fault where Python does.
std::string printf_format(std::string_view format, const Value& values, Budget& budget);

}  // namespace lockstep::jinja
