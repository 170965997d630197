// SPDX-License-Identifier: Apache-2.0
// Breadth first over the sorted texts: the texts below a node are a range, its children are that range cut where the next byte changes.
#include "text/tokenizer/models/trie.h"

#include <algorithm>

namespace jang::text {

std::optional<Trie> Trie::build(std::vector<std::pair<std::string_view, std::int32_t>> texts) {
  std::size_t n_bytes = 0;
  for (const auto& [text, value] : texts) n_bytes += text.size();
  if (n_bytes > kMaxBytes) return std::nullopt;
  std::stable_sort(texts.begin(), texts.end(), [](const auto& a, const auto& b) { return a.first < b.first; });

  struct Range {
    std::size_t begin, end, depth;
  };
  Trie trie;
  std::vector<Range> ranges = {{0, texts.size(), 0}};  // of nodes_, index by index
  for (std::size_t node = 0; node < ranges.size(); ++node) {
    auto [at, end, depth] = ranges[node];
    for (; at < end && texts[at].first.size() == depth; ++at) trie.nodes_[node].value = texts[at].second;
    trie.nodes_[node].first_child = static_cast<std::uint32_t>(trie.nodes_.size());
    while (at < end) {
      const char label = texts[at].first[depth];
      std::size_t last = at + 1;
      while (last < end && texts[last].first[depth] == label) ++last;
      Node child;
      child.label = static_cast<unsigned char>(label);
      trie.nodes_.push_back(child);
      ranges.push_back({at, last, depth + 1});
      ++trie.nodes_[node].n_children;
      at = last;
    }
  }
  for (std::uint16_t i = 0; i < trie.nodes_[0].n_children; ++i) {
    const std::uint32_t child = trie.nodes_[0].first_child + i;
    trie.root_[trie.nodes_[child].label] = child;
  }
  return trie;
}

std::uint32_t Trie::child(std::uint32_t node, char label) const {
  const auto wanted = static_cast<unsigned char>(label);
  if (node == kRoot) return root_[wanted];
  const std::uint32_t first = nodes_[node].first_child, n = nodes_[node].n_children;
  if (n == 1) return nodes_[first].label == wanted ? first : kNone;  // most nodes
  const auto begin = nodes_.begin() + first, end = begin + n;
  const auto found = std::lower_bound(begin, end, wanted, [](const Node& a, unsigned char l) { return a.label < l; });
  return found != end && found->label == wanted ? static_cast<std::uint32_t>(found - nodes_.begin()) : kNone;
}

std::uint32_t Trie::walk(std::string_view text) const {
  std::uint32_t node = kRoot;
  for (const char c : text)
    if ((node = child(node, c)) == kNone) break;
  return node;
}

}  // namespace jang::text
