// SPDX-License-Identifier: Apache-2.0
// The GGUF reader on files made here: round trips through the writer, bytes laid out by hand, every truncation, every byte changed.
#include "format/gguf.h"

#include <gtest/gtest.h>

#include <functional>

#include "../support/contains.h"
#include "format/gguf_writer.h"

namespace jang::format {
namespace {

using test::contains;

GgufHeader small_header() {
  GgufHeader h;
  h.metadata["general.architecture"] = gguf_text("llama");
  h.metadata["a.boolean"] = gguf_integer(1, GgufKind::boolean);
  h.metadata["a.negative"] = gguf_integer(-5, GgufKind::i16);
  h.metadata["a.large"] = gguf_integer(-1, GgufKind::u64);
  h.metadata["a.real"] = gguf_real(0.5);
  h.metadata["tokens"] = gguf_texts({"x", "", "yz"});
  h.metadata["scores"] = {.kind = GgufKind::array, .element = GgufKind::f64, .numbers = {1.25, -3}};
  h.metadata["types"] = gguf_integers({-1, 2}, GgufKind::i8);
  GgufTensor a, b;
  a.name = "output_norm.weight";
  a.shape = {3};
  a.type = codec::find_gguf_type(0);
  b.name = "blk.0.attn_q.weight";
  b.shape = {2, 64};
  b.type = codec::find_gguf_type(2);
  h.tensors = {a, b};
  return h;
}

// The file of small_header() with a change.
std::string small_file(const std::function<void(GgufHeader&)>& change = {}) {
  GgufHeader h = small_header();
  if (change) change(h);
  std::string file = make_gguf_header(h);
  file.resize(static_cast<std::size_t>(h.tensors.back().offset_bytes + h.tensors.back().bytes), '\0');
  return file;
}

Result<GgufHeader> parse(std::string_view file) { return parse_gguf_header(file, file.size(), "file"); }

std::string refusal(std::string_view file) {
  const auto header = parse(file);
  return header.ok() ? "accepted" : header.status().message();
}

TEST(Gguf, header_reads_back_as_written) {
  GgufHeader written = small_header();
  (void)make_gguf_header(written);
  const auto read = parse(small_file());
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(read->version, 3u);
  EXPECT_EQ(read->data_begin, written.data_begin);
  EXPECT_EQ(read->text("general.architecture"), "llama");
  EXPECT_EQ(read->metadata.at("a.boolean").integer, 1);
  EXPECT_EQ(read->metadata.at("a.negative").integer, -5);
  EXPECT_EQ(read->metadata.at("a.large").integer, -1);
  EXPECT_EQ(read->metadata.at("a.real").number, 0.5);
  EXPECT_EQ(read->metadata.at("tokens").texts, (std::vector<std::string>{"x", "", "yz"}));
  EXPECT_EQ(read->metadata.at("scores").numbers, (std::vector<double>{1.25, -3}));
  EXPECT_EQ(read->metadata.at("types").integers, (std::vector<std::int64_t>{-1, 2}));
  ASSERT_EQ(read->tensors.size(), 2u);
  const GgufTensor* q = read->find("blk.0.attn_q.weight");
  ASSERT_NE(q, nullptr);
  EXPECT_EQ(q->shape, (Shape{2, 64}));
  EXPECT_EQ(q->bytes, 4u * 18);
  EXPECT_EQ(q->offset_bytes, read->data_begin + 32);
  EXPECT_EQ(read->tensor_bytes(), 12u + 72);
  EXPECT_EQ(read->elements(), 3u + 128);
  EXPECT_EQ(read->find("missing"), nullptr);
}

// Laid out by hand from the description of the format, so that reader and writer cannot be wrong together.
TEST(Gguf, bytes_are_those_of_the_format) {
  using namespace std::string_literals;
  const std::string file = "GGUF\2\0\0\0"s + "\1\0\0\0\0\0\0\0"s + "\1\0\0\0\0\0\0\0"s +  // version 2, a tensor, a pair
                           "\1\0\0\0\0\0\0\0k\6\0\0\0\0\0\x80\x3f"s +                     // k = 1.0f
                           "\1\0\0\0\0\0\0\0t\2\0\0\0\3\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0"s +  // t: f16 [2, 3] at 0
                           std::string(14, '\0') + std::string(12, '\0');                                          // to 96, payload
  ASSERT_EQ(file.size(), 96u + 12);
  const auto read = parse(file);
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(read->version, 2u);
  EXPECT_EQ(read->metadata.at("k").number, 1.0);
  EXPECT_EQ(read->tensors[0].shape, (Shape{2, 3}));
  EXPECT_EQ(read->tensors[0].type->name, "F16");
  EXPECT_EQ(read->tensors[0].offset_bytes, 96u);
}

TEST(Gguf, every_truncation_is_refused) {
  const std::string file = small_file();
  for (std::size_t n = 0; n < file.size(); ++n) {
    const auto header = parse(std::string_view(file).substr(0, n));
    ASSERT_FALSE(header.ok()) << n;
    ASSERT_NE(header.status().message().find("file"), std::string::npos);
  }
}

TEST(Gguf, every_changed_byte_is_refused_or_stays_inside_the_file) {
  const std::string file = small_file();
  const std::size_t n_header = static_cast<std::size_t>(parse(file)->data_begin);
  for (std::size_t i = 0; i < n_header; ++i) {
    for (const int change : {1, 0x7f, 0x80, 0xff}) {
      std::string changed = file;
      changed[i] = static_cast<char>(changed[i] ^ change);
      const auto header = parse(changed);
      if (!header.ok()) continue;
      for (const GgufTensor& t : header->tensors) ASSERT_LE(t.offset_bytes + t.bytes, file.size()) << i;
    }
  }
}

TEST(Gguf, faults_are_named) {
  EXPECT_TRUE(contains(refusal("GGML"), "does not begin with"));
  EXPECT_TRUE(contains(refusal(std::string("GGUF\1\0\0\0", 8)), "version 1"));
  EXPECT_TRUE(contains(refusal(std::string("GGUF\0\0\0\3", 8)), "big-endian"));
  EXPECT_TRUE(contains(refusal(std::string("GGUF\4\0\0\0", 8)), "version 4"));
  EXPECT_TRUE(contains(refusal(small_file([](GgufHeader& h) { h.tensors[0].name = h.tensors[1].name; })), "occurs twice"));
  EXPECT_TRUE(contains(refusal(small_file([](GgufHeader& h) { h.tensors[0].name = "bad\nname"; })), "not printable"));
  EXPECT_TRUE(contains(refusal(small_file([](GgufHeader& h) { h.metadata["general.alignment"] = gguf_integer(24); })), "no power of two"));
  EXPECT_TRUE(contains(refusal(small_file([](GgufHeader& h) { h.metadata["general.alignment"] = gguf_text("32"); })), "no power of two"));
  EXPECT_TRUE(contains(refusal(small_file([](GgufHeader& h) { h.metadata["split.count"] = gguf_integer(2, GgufKind::u16); })), "split"));
  EXPECT_TRUE(contains(refusal(small_file([](GgufHeader& h) { h.tensors[0].shape = {1, 1, 1, 1, 3}; })), "rank 5"));
  static const codec::GgufType kUnknown{77, "?", 1, 1, nullptr};
  EXPECT_TRUE(contains(refusal(small_file([](GgufHeader& h) { h.tensors[0].type = &kUnknown; })), "element type 77"));
}

TEST(Gguf, alignment_of_the_file_is_kept) {
  GgufHeader h = small_header();
  h.alignment = 128;
  h.metadata["general.alignment"] = gguf_integer(128);
  std::string file = make_gguf_header(h);
  EXPECT_EQ(file.size() % 128, 0u);
  file.resize(file.size() + 128 + 72, '\0');
  const auto read = parse(file);
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(read->tensors[1].offset_bytes, file.size() - 72);
}

// Numbers that announce more than there is must not be believed.
TEST(Gguf, announced_sizes_are_not_allocated) {
  std::string file = small_file();
  for (const std::size_t at : {std::size_t{8}, std::size_t{16}})
    for (std::size_t i = 0; i < 8; ++i) {
      std::string changed = file;
      changed[at + i] = '\x7f';
      EXPECT_FALSE(parse(changed).ok());
    }
}

}  // namespace
}  // namespace jang::format
