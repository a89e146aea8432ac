#include "launcher/batch/request.h"

namespace lockstep {

std::string_view name_of(FinishReason reason) { return reason == FinishReason::kStop ? "stop" : "length"; }

}  // namespace lockstep
