// SPDX-License-Identifier: Apache-2.0
// Exact layout of a bundle's files from the plan, before any arithmetic: which tensors, in which shard, at which offset. The planner counts
// bytes with it and the writer reserves and writes with it, so an estimate cannot differ from the result.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "arch/arch.h"
#include "jang/status.h"
#include "plan/plan.h"
#include "tensor/shape.h"

namespace jang::plan {

enum class Part : std::uint8_t { weight, scales, biases, plain };  // plain: an unquantized tensor

struct StoredPart {
  int tensor = 0;  // index into arch::Model::tensors
  Part part = Part::plain;
  TensorInfo info;  // name, dtype and shape on disk
  int shard = 0;
  std::uint64_t offset_bytes = 0;  // from the start of the shard file
};

struct Shard {
  std::string file_name;  // "model.safetensors", or "model-00001-of-00003.safetensors"
  std::string header;     // bytes 0..8+n
  std::uint64_t file_bytes = 0;
};

struct Layout {
  std::vector<Shard> shards;
  std::vector<StoredPart> parts;   // weight, scales, biases of a module adjacent and in one shard
  std::uint64_t tensor_bytes = 0;  // payloads only (index total_size)
  std::uint64_t file_bytes = 0;    // headers included
};

inline constexpr std::uint64_t kMaxShardBytes = 5'000'000'000;  // of payload; one larger module gets a shard of its own

// Stored dtype of an unquantized tensor under a plan: integers and keep_dtype tensors as they are, floats in `plan_dtype`.
[[nodiscard]] DType stored_dtype(const arch::OutTensor& tensor, DType plan_dtype);
// Payload bytes of one tensor under a choice: codes + scales + biases, or the plain tensor.
[[nodiscard]] std::uint64_t stored_bytes(const arch::OutTensor& tensor, const Choice& choice, DType plan_dtype);

[[nodiscard]] Layout make_layout(const arch::Model& model, const Plan& plan, std::uint64_t max_shard_bytes = kMaxShardBytes);

// Sizes the project always reports.
struct Sizes {
  std::uint64_t params = 0;      // weights of the model (tensor elements, without scales and biases)
  double code_bits = 0;          // JANG's "avg bits": mean width over quantized weights, scales not counted
  double stored_bits = 0;        // payload bits per weight, everything counted
  std::uint64_t file_bytes = 0;  // safetensors files, headers included
};
[[nodiscard]] Sizes sizes(const arch::Model& model, const Plan& plan, const Layout& layout);

}  // namespace jang::plan
