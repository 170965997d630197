// SPDX-License-Identifier: Apache-2.0
// What a model would need, from its config.json alone: no weights are read, none need be there. Shapes follow from the config as the
// model's class makes them, bits from the planner that conversions use, so that an estimate is what `plan_model` says of the checkpoint.
//
//   memory = file bytes + keys, values and states of one sequence of `context` tokens + kWorkingBytes
//
// A machine with m GiB of memory can give a model two thirds of it, three quarters from 36 GiB on: what macOS lets the graphics processor
// of an Apple silicon machine keep resident unless told otherwise (iogpu.wired_limit_mb). Elsewhere it is a cautious rule.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "jang/export.h"
#include "jang/model.h"
#include "jang/plan.h"
#include "jang/run_options.h"
#include "jang/status.h"

namespace jang {

inline constexpr std::uint64_t kWorkingBytes = std::uint64_t{1} << 29;  // program, activations of a prompt's chunk, logits
inline constexpr std::array<int, 12> kMachineGib = {8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512};
// Bytes of such a machine that a model may take.
[[nodiscard]] JANG_API std::uint64_t usable_bytes(int machine_gib);
// The smallest of kMachineGib that holds so many bytes; nullopt: none does.
[[nodiscard]] JANG_API std::optional<int> smallest_machine(std::uint64_t bytes);

struct EstimateOptions {
  std::vector<std::string> profiles = {};  // as canonical_profile takes them; empty: estimate_profiles()
  // Of these the fields that shape a plan without weights: target, group_size, scale_type, floors, overrides, method, text_only.
  PlanOptions plan = {};
  std::int64_t context = 8192;             // tokens of a sequence
  CacheType cache = CacheType::automatic;  // of keys and values in `memory_bytes`; automatic: f16
};
[[nodiscard]] JANG_API std::string_view to_string(CacheType type);  // "f16"
// What is estimated where nothing is asked for.
[[nodiscard]] JANG_API std::vector<std::string> estimate_profiles();

struct CacheEstimate {
  CacheType type = CacheType::f16;
  std::uint64_t bytes = 0;        // of one sequence of the context
  std::uint64_t token_bytes = 0;  // by which it grows with every token
};

struct ProfileEstimate {
  std::string profile;
  double code_bits = 0, stored_bits = 0;
  std::uint64_t file_bytes = 0;
  std::uint64_t memory_bytes = 0;
  std::optional<int> machine_gib = {};  // the smallest that holds memory_bytes
};

struct ModelEstimate {
  std::string model_type, family;
  int n_layers = 0, n_experts = 0, experts_per_token = 0;
  std::uint64_t params = 0;         // of the text model
  std::uint64_t tower_params = 0;   // of a vision tower and its projector, which stay in 16 bits
  std::uint64_t active_params = 0;  // without experts not chosen and rows of per-layer embeddings not looked up; embeddings count whole
  std::uint64_t source_bytes = 0;   // all these tensors in the config's type
  std::string source_type;          // "BF16"
  std::int64_t context = 0;
  std::int64_t trained_context = 0;       // 0: not known
  std::vector<CacheEstimate> caches;      // by type; empty where the engine does not know the model's blocks
  std::vector<ProfileEstimate> profiles;  // in the order asked for
  std::vector<std::string> warnings;
};

// `name`: a config.json, a directory that holds one, or org/name. Errors: invalid_argument (options; the profile auto, which measures
// weights), not_found, corrupt, unsupported (a family whose shapes no config tells), io.
[[nodiscard]] JANG_API Result<ModelEstimate> estimate_model(const std::string& name, const EstimateOptions& options = {},
                                                            const RunOptions& run = {});

}  // namespace jang
