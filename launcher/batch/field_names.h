// Which fields a row may have: those that are read, those that change nothing whatever they say, and those of other
// engines that are accepted only with the value that changes nothing.
#pragma once

#include "launcher/batch/request.h"
#include "launcher/batch/strict_json.h"

#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

/// Checks the keys around `body`. Throws RowFault (unknown_field), or with `lenient` adds the key to `ignored`.
void check_envelope_keys(const JsonFields& fields, bool lenient, std::vector<std::string>& ignored);

/// Checks the keys of a body, or of a short row, which may have `also` too. Throws RowFault (unknown_field,
/// unsupported_field), or with `lenient` adds the key to `ignored`.
void check_body_keys(const JsonFields& fields, Endpoint endpoint, std::string_view also, bool lenient,
                     std::vector<std::string>& ignored);

}  // namespace lockstep
