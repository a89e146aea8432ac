// What a disk gives.
#pragma once

#include <filesystem>

namespace lockstep {

/// Bytes per second that one thread reads from a file of the directory, past the page cache where the file system
/// allows it. Makes the directory and a file of 16 MiB in it that has no name. 0 if the file system has no room for
/// 1 MiB. Throws IoError.
double measure_disk_read(const std::filesystem::path& directory);

}  // namespace lockstep
