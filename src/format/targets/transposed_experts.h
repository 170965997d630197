// SPDX-License-Identifier: Apache-2.0
// Mixtures whose classes multiply inputs by weights from the right: their experts are published transposed, and gate and up side by side.
//
//   <experts>.gate_up_proj [E, in, 2 out]  ->  <experts>.gate_proj.weight and up_proj.weight [E, out, in]
//   <experts>.down_proj    [E, in, out]    ->  <experts>.down_proj.weight [E, out, in]
//
// gpt_oss has the columns of gate and up in turns, and so their biases:
//
//   <experts>.gate_up_proj_bias [E, 2 out]  ->  <experts>.gate_proj.bias and up_proj.bias [E, out]
//   <experts>.down_proj_bias    [E, out]    ->  <experts>.down_proj.bias
//
// Which model types do so is a table (transformers' classes of llama4 and gpt_oss; the published files of qwen3_vl_moe). A tensor that has
// the model's hidden_size on the other side is left as it is: a copy in the ordinary form.
#pragma once

#include "format/checkpoint.h"
#include "jang/status.h"

namespace jang::format {

// The checkpoint as it is where it has none; else with tensors that are gathered as they are read, in the type of the file. Errors: corrupt
// (a tensor of such a name that has no such shape).
[[nodiscard]] Result<Checkpoint> with_upright_experts(Checkpoint checkpoint);
// Whether the tensor is one of these: values of the file in another order, and nothing that was packed.
[[nodiscard]] bool is_upright_expert(const StoredTensor& tensor);

}  // namespace jang::format
