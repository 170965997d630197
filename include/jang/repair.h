// SPDX-License-Identifier: Apache-2.0
// A bundle for MLX whose config.json says other bits of its modules than its tensors have becomes one that every loader opens.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "jang/export.h"
#include "jang/run_options.h"
#include "jang/status.h"

namespace jang {

struct RepairedModule {
  std::string module;
  int bits = 0, group_size = 0;
  std::string said;  // of config.json: "2 bits, group 64", "nothing"
  std::string by;    // what decided: "the model's shapes", "sizes of config.json", "config.json", "the manifest", "the only pair"
};

struct RepairReport {
  std::string output;
  std::size_t n_modules = 0;            // packed ones
  std::vector<RepairedModule> changed;  // those of which config.json said something else
  std::vector<std::string> removed;     // entries that named no module
  std::size_t n_linked = 0, n_copied = 0;
  std::uint64_t file_bytes = 0;   // of weights
  std::vector<std::string> left;  // files of the model that were not copied, and why: links out of the directory
};

// Writes `output`, a new directory: config.json, and the manifest of jang_config.json where there is one, with the bits and groups that the
// tensors have; every other file that belongs to the model as a hard link, or a copy where the file system has no links. What decides
// between the pairs that shapes leave is in docs/format.md; nothing is guessed. The result is opened again before it appears. Errors:
// invalid_argument (no output, it exists, nothing is packed), not_found, corrupt (tensors that contradict each other or the model),
// unsupported (modules that nothing decides, named with their candidates; other formats), io.
[[nodiscard]] JANG_API Result<RepairReport> repair_model(const std::string& name, const std::string& output, bool force = false,
                                                         const RunOptions& run = {});

}  // namespace jang
