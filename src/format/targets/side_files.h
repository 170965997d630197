// SPDX-License-Identifier: Apache-2.0
// What a bundle carries along from its source beside the weights: everything that AutoTokenizer, a processor or a generation config reads.
//
// Copied is what the target asks for (Target::copies), and additional_chat_templates/*.jinja. Only regular
// files of at most 256 MiB; a link is followed inside the directory, into the blobs of a Hub cache, or to a file of the same well-known
// name, so that no source can make a bundle of files that it does not contain.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "format/targets/target.h"
#include "jang/status.h"

namespace jang::targets {

struct SideFiles {
  std::vector<std::string> names;  // sorted, below the directory: "tokenizer.json", "additional_chat_templates/tool_use.jinja"
  std::vector<std::string> left;   // "x.json: a link out of the directory": what would be copied but for this reason
};

// Errors: io (the directory cannot be read).
[[nodiscard]] Result<SideFiles> find_side_files(const std::string& directory, const Target& target);
// Adds the names of the files that came along to an index (`side_files` of its metadata), so that a missing one is noticed; leaves other
// documents alone.
void record_side_files(const std::vector<std::string>& names, Document* document);
// The names that a bundle's index says came along (`side_files` of its metadata); none where it says nothing, as of other makers.
[[nodiscard]] std::optional<std::vector<std::string>> recorded_side_files(const std::string& directory);

}  // namespace jang::targets
