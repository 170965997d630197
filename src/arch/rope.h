// SPDX-License-Identifier: Apache-2.0
// Rotary position embedding as numbers: inverse frequencies with the scaling of the config already in them.
//
//   angle of pair j at position p: p * inv_freq[j];   cosine and sine are multiplied by attention_factor
//
// Types as transformers names them: default, linear, dynamic, llama3, yarn (arXiv 2309.00071), longrope (arXiv 2402.13753), proportional
// (only the fastest pairs of a whole head turn, the others stay: frequency 0). Frequencies are
// rounded to float32 where transformers rounds them, so that both rotate by the same angles. longrope has one table for texts up to the
// original context and one for longer ones, dynamic turns plainly up to max_position_embeddings and depends on the length of longer texts.
// A text that grows cannot change its table, since its keys are stored rotated: Rope has the first, and `context` says how far it reaches.
#pragma once

#include <string>
#include <vector>

#include "jang/status.h"
#include "json/json.h"

namespace jang::arch {

struct Rope {
  std::string type = "default";
  double theta = 10000;
  std::int64_t dims = 0;        // rotated values at the start of a head, even
  std::vector<float> inv_freq;  // [dims / 2]
  bool interleaved = false;     // pairs are values (2j, 2j + 1) of a head, not (j, j + dims / 2)
  float attention_factor = 1;
  std::int64_t context = 0;  // positions that these frequencies are for, where longer texts have others; 0: all
};

struct RopeDefaults {
  double theta = 10000;
  double partial_factor = 1;       // rotated part of a head
  bool reads_partial = false;      // the class reads partial_rotary_factor
  std::int64_t max_positions = 0;  // of the model: what "original_max_position_embeddings" defaults to
  bool outer_original = true;      // that key may stand around the parameters, and goes before the one among them
  bool fixed_alpha = false;        // type "dynamic" with an alpha is theta * alpha^(dims / (dims - 2)) for texts of every length
};

// `parameters`: transformers' rope_parameters or rope_scaling object, or null; `text`: the config around it, for keys that may stand
// there (rope_theta under `theta_key`, partial_rotary_factor, original_max_position_embeddings).
// Errors: corrupt (a number out of range), unsupported (the type).
[[nodiscard]] Result<Rope> read_rope(const json::Value* parameters, const json::Value& text, const char* theta_key, std::int64_t head_dim,
                                     const RopeDefaults& defaults);

}  // namespace jang::arch
