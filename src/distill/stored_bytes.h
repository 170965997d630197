// SPDX-License-Identifier: Apache-2.0
// A trained module as a file holds it: code words, scales and biases of its matrices, one after the other.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "distill/trained_module.h"
#include "kernels/matrix.h"
#include "model/decoder.h"

namespace jang::distill {

// By module path.
using StoredModules = std::map<std::string, StoredModule, std::less<>>;

struct StoredBytes {
  std::vector<std::byte> words, scales, biases;
};
using StoredBytesOfModules = std::map<std::string, StoredBytes, std::less<>>;

// `like`: the module's packed matrices, whose format and shape the bytes have.
[[nodiscard]] StoredBytes bytes_of(const StoredModule& stored, std::span<const kernels::MatrixView> like);
[[nodiscard]] StoredBytesOfModules bytes_of(const StoredModules& modules, const model::Decoder& bundle);
// What `like` holds itself.
[[nodiscard]] StoredBytes copy_of(std::span<const kernels::MatrixView> like);
// Matrices over the bytes, which outlive them.
[[nodiscard]] std::vector<kernels::MatrixView> views_of(const StoredBytes& bytes, std::span<const kernels::MatrixView> like);
// Codes that differ.
[[nodiscard]] std::int64_t changed_codes(const StoredBytes& bytes, std::span<const kernels::MatrixView> from);

}  // namespace jang::distill
