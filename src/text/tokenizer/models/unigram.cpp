// SPDX-License-Identifier: Apache-2.0
// Unigram language model (Kudo 2018, arXiv:1804.10959): the segmentation with the highest sum of log probabilities, by Viterbi over byte
// offsets. A character that is no piece may be the unknown token, 10 below the lowest score. Neighbouring unknown characters are one
// unknown.
#include "text/tokenizer/models/unigram.h"

#include <limits>

#include <fmt/format.h>

#include "base/utf8.h"
#include "json/json.h"
#include "text/tokenizer/models/trie.h"

namespace jang::text {
namespace {

constexpr double kUnknownPenalty = 10;
constexpr std::size_t kLongestUnigramPiece = 4096;  // a piece is tried at every place: bounds the work to n times this

class Unigram final : public Model {
 public:
  Unigram(Vocabulary vocabulary, std::vector<double> scores, std::optional<std::int32_t> unk_id, bool byte_fallback)
      : Model(std::move(vocabulary)), scores_(std::move(scores)), unk_id_(unk_id) {
    if (byte_fallback) bytes_ = byte_pieces();
  }

  Status prepare() {
    std::vector<std::pair<std::string_view, std::int32_t>> pieces;
    for (std::int32_t id = 0; id < vocabulary().size(); ++id) {
      const std::string_view text = vocabulary().text(id);
      if (text.size() > kLongestUnigramPiece)
        return {StatusCode::unsupported,
                fmt::format("a piece of {} bytes; a Unigram model may have {}", text.size(), kLongestUnigramPiece)};
      if (!text.empty()) pieces.emplace_back(text, id);
      lowest_ = std::min(lowest_, scores_[static_cast<std::size_t>(id)]);
    }
    std::optional<Trie> trie = Trie::build(std::move(pieces));
    if (!trie) return {StatusCode::unsupported, fmt::format("the pieces have more than {} bytes together", Trie::kMaxBytes)};
    trie_ = std::move(*trie);
    return {};
  }

  Status tokenize(std::string_view piece, std::vector<std::int32_t>& ids) const override {
    std::vector<Node> best(piece.size() + 1);
    JANG_TRY(search(piece, best));
    std::vector<Span> spans;  // backwards
    for (std::size_t end = piece.size(); end > 0; end = best[end].begin) {
      const Node& node = best[end];
      const bool joins = !spans.empty() && unk_id_ && node.id == *unk_id_ && spans.back().id == *unk_id_;
      if (joins)
        spans.back().begin = node.begin;
      else
        spans.push_back({node.begin, end, node.id});
    }
    for (auto span = spans.rbegin(); span != spans.rend(); ++span) JANG_TRY(append(piece, *span, ids));
    return {};
  }

 private:
  struct Node {  // the best way to the place where it ends
    double score = 0;
    std::uint32_t begin = UINT32_MAX;
    std::int32_t id = -1;
  };
  struct Span {
    std::size_t begin, end;
    std::int32_t id;
  };

  Status search(std::string_view piece, std::vector<Node>& best) const {
    const auto offer = [&](std::size_t begin, std::size_t end, double score, std::int32_t id) {
      Node& node = best[end];
      if (node.begin != UINT32_MAX && !(score > node.score)) return;
      node = {score, static_cast<std::uint32_t>(begin), id};
    };
    for (std::size_t at = 0; at < piece.size();) {
      const double here = best[at].score;
      const std::size_t next = at + utf8::length_at(piece[at]);
      bool has_single = false;
      trie_.matches(piece, at, [&](std::size_t end, std::int32_t id) {
        offer(at, end, scores_[static_cast<std::size_t>(id)] + here, id);
        has_single = has_single || end == next;
      });
      if (!has_single) {
        if (!unk_id_) return {StatusCode::corrupt, "a character is not in the vocabulary, and the model has no unk_id"};
        offer(at, next, lowest_ - kUnknownPenalty + here, *unk_id_);
      }
      at = next;
    }
    return {};
  }

  // The joined text of unknown characters may itself be a piece, and byte pieces may spell it.
  Status append(std::string_view piece, const Span& span, std::vector<std::int32_t>& ids) const {
    const std::string_view text = piece.substr(span.begin, span.end - span.begin);
    if (span.id != unk_id_) {
      ids.push_back(span.id);
      return {};
    }
    if (const auto id = vocabulary().find(text)) {
      ids.push_back(*id);
      return {};
    }
    bool spelled = !bytes_.empty();
    for (const char c : text) spelled = spelled && bytes_[static_cast<unsigned char>(c)] >= 0;
    if (!spelled) {
      ids.push_back(*unk_id_);
      return {};
    }
    for (const char c : text) ids.push_back(bytes_[static_cast<unsigned char>(c)]);
    return {};
  }

  std::vector<double> scores_;
  std::optional<std::int32_t> unk_id_;
  std::vector<std::int32_t> bytes_;
  Trie trie_;
  double lowest_ = std::numeric_limits<double>::infinity();
};

}  // namespace

Result<std::unique_ptr<Model>> make_unigram(Vocabulary vocabulary, std::vector<double> scores, std::optional<std::int32_t> unk_id,
                                            bool byte_fallback) {
  if (scores.size() != static_cast<std::size_t>(vocabulary.size()) || scores.size() != vocabulary.count())
    return Status(StatusCode::corrupt, "a Unigram vocabulary with holes");
  if (unk_id && (*unk_id < 0 || *unk_id >= vocabulary.size()))
    return Status(StatusCode::corrupt, fmt::format("unk_id {} is outside the vocabulary of {}", *unk_id, vocabulary.size()));
  auto unigram = std::make_unique<Unigram>(std::move(vocabulary), std::move(scores), unk_id, byte_fallback);
  JANG_TRY(unigram->prepare());
  return std::unique_ptr<Model>(std::move(unigram));
}

}  // namespace jang::text
