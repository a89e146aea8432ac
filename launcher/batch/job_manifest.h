// What stands in a job's journal beside its rows. The manifest is what the output depends on: a journal made under
// another one is not continued. Notes are what it does not depend on: each run of the job replaces them.
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

/// How this run found the cache's tiers: what a page costs on the slowest replica, and which tiers a replica leaves
/// out. Nothing without tiers below the device. Ranks: collective over the world; the same everywhere.
Notes make_notes(const Session& session);

}  // namespace lockstep
