// SPDX-License-Identifier: Apache-2.0
// The weights that a map of a rescaled bundle has in the channels of the source: packed with its factors on, and the factors taken off
// again. With or without those of its columns, and with or without those of its rows, which are of different groups of channels.
#pragma once

#include <vector>

#include "engine/engine.h"
#include "jang/status.h"
#include "plan/plan.h"
#include "quantize/channel_scales.h"
#include "quantize/encode_rows.h"
#include "quantize/importance.h"
#include "quantize/scaled_grams.h"
#include "quantize/source.h"

namespace jang::calibrate {

struct ScaledSides {
  bool columns = false, rows = false;
  friend auto operator<=>(const ScaledSides&, const ScaledSides&) = default;
};

class ScaledWeights {
 public:
  // What is passed outlives this; `scales` are all of the plan's. Errors: those of quantize::Importance.
  [[nodiscard]] static Result<ScaledWeights> create(engine::Engine& engine, const quantize::Source& source, const plan::Plan& plan,
                                                    const quantize::ChannelScales& scales, const format::Statistics* statistics);

  // Float values [rows, columns] of a tensor that the plan packs. `scaled` and `plain`: null, or of its stage, prepared. Errors: those of
  // reading.
  [[nodiscard]] Result<std::vector<float>> values(int tensor, ScaledSides sides, quantize::ScaledGrams* scaled,
                                                  quantize::Grams* plain) const;

 private:
  ScaledWeights(engine::Engine& engine, const quantize::Source& source, const plan::Plan& plan, const quantize::ChannelScales& scales)
      : engine_(engine), source_(source), plan_(plan), scales_(scales) {}

  engine::Engine& engine_;
  const quantize::Source& source_;
  const plan::Plan& plan_;
  const quantize::ChannelScales& scales_;
  quantize::Importance importance_, scaled_importance_;
};

}  // namespace jang::calibrate
