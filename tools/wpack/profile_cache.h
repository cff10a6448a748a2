// Where read profiles are kept between runs: one file for each device, file system type and kernel
// release, in the user's cache directory.
#pragma once

#include <optional>
#include <string>

#include "wpack/error.h"
#include "wpack/read_profile.h"

namespace wpack::cli {

// Returns the directory: wpack in $XDG_CACHE_HOME or, without it (a relative path counts as none),
// in ~/.cache. Errors: kIo (there is no HOME either).
[[nodiscard]] Result<std::string> profile_directory();

// The same, and makes sure that files can be written there. Errors: kIo.
[[nodiscard]] Result<std::string> make_profile_directory();

// The name of the file that keeps a profile, in that directory.
[[nodiscard]] std::string profile_file_name(const ReadProfile& profile);

// Replaces the profile of its place at once, and returns the path of its file. Errors: kIo, kLimit.
[[nodiscard]] Result<std::string> keep_profile(const std::string& directory,
                                               const ReadProfile& profile);

// Returns the profile that is kept for what `path` lies on, if there is one and `wanted` says so.
// One that cannot be read, or is of another place than its name says, is a warning on stderr.
[[nodiscard]] std::optional<ReadProfile> find_profile(const std::string& path, bool wanted);

}  // namespace wpack::cli
