// What a job's output depends on: a journal made under another manifest is not continued.
#pragma once

#include "launcher/batch/job_settings.h"
#include "launcher/batch/journal_format.h"
#include "launcher/session.h"

#include <string>

namespace lockstep {

/// The manifest's key of the day that chat templates are told.
inline constexpr const char* kChatDateKey = "chat date";

/// Of a leader. `input` is the digest of the requests.
Manifest make_manifest(const Session& session, const JobSettings& settings, const Hash128& input,
                       const std::string& model_name, const std::string& chat_date);

}  // namespace lockstep
