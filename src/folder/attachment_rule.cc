#include "folder/attachment_rule.h"

#include <algorithm>

#include "folder/weight_files.h"

namespace wpack::folder {

bool is_attached(std::string_view name) {
  // The index of the weights that are packed is attached by its reader; of others it would name
  // files that do not travel.
  if (name.starts_with('.') || is_index_name(name)) return false;
  const auto ends = [&](std::string_view ending) {
    return name.size() > ending.size() && name.ends_with(ending);
  };
  const auto begins = [&](std::string_view beginning) { return name.starts_with(beginning); };
  return std::ranges::any_of(kAttachmentEndings, ends) ||
         std::ranges::any_of(kAttachmentBeginnings, begins);
}

}  // namespace wpack::folder
