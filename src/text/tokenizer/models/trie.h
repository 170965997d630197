// SPDX-License-Identifier: Apache-2.0
// Byte trie over a fixed set of texts: every text that starts at a place, shortest first. The children of a node lie side by side, sorted
// by label; the root has a table. 12 bytes a node, at most one node a byte of text.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace jang::text {

class Trie {
 public:
  static constexpr std::size_t kMaxBytes = std::size_t{16} << 20;  // of all texts together

  Trie() { root_.fill(kNone); }
  // Values are >= 0; of equal texts the last one counts. nullopt: more than kMaxBytes. The views are not kept.
  [[nodiscard]] static std::optional<Trie> build(std::vector<std::pair<std::string_view, std::int32_t>> texts);

  // Nodes are indices; kRoot is where every text starts.
  static constexpr std::uint32_t kRoot = 0, kNone = UINT32_MAX;
  [[nodiscard]] std::uint32_t child(std::uint32_t node, char label) const;
  [[nodiscard]] std::int32_t value(std::uint32_t node) const { return nodes_[node].value; }  // -1: no text ends here
  [[nodiscard]] bool starts(char label) const { return root_[static_cast<unsigned char>(label)] != kNone; }
  // Node of `text`, or kNone.
  [[nodiscard]] std::uint32_t walk(std::string_view text) const;

  // visit(end offset, value) of every text that starts at `at`.
  template <typename Visit>
  void matches(std::string_view text, std::size_t at, Visit visit) const {
    std::uint32_t node = kRoot;
    while (at < text.size() && (node = child(node, text[at])) != kNone) {
      ++at;
      if (const std::int32_t found = nodes_[node].value; found >= 0) visit(at, found);
    }
  }

 private:
  struct Node {
    std::uint32_t first_child = 0;
    std::int32_t value = -1;
    std::uint16_t n_children = 0;
    unsigned char label = 0;
  };
  std::vector<Node> nodes_ = std::vector<Node>(1);
  std::array<std::uint32_t, 256> root_;
};

}  // namespace jang::text
