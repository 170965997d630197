// SPDX-License-Identifier: Apache-2.0
// The JSON reader: what its strict dialect refuses (duplicate keys, depth, bad UTF-8, numbers out of range), what its Python dialect takes
// beyond it and what even that refuses, that order and types survive a read and a write, and that its cost does not explode on hostile
// keys.
#include "json/json.h"

#include <chrono>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace jang::json {
namespace {

Status status_of(std::string_view text, const Limits& limits = {}) { return parse(text, "doc", limits).status(); }

std::string nested(int depth) {
  return std::string(static_cast<std::size_t>(depth), '[') + std::string(static_cast<std::size_t>(depth), ']');
}

TEST(Json, order_and_types_survive_a_round_trip) {
  const std::string text = R"({"z":1,"a":-2,"m":1.5,"e":1e-06,"whole":10000.0,"big":18446744073709551615,"min":-9223372036854775808,)"
                           R"("t":true,"n":null,"s":"é\n\"","list":[1,[],{}],"o":{"y":1,"b":2}})";
  const auto value = parse(text, "doc");
  ASSERT_TRUE(value.ok()) << value.status().message();
  EXPECT_EQ(dump(*value), text);
  EXPECT_TRUE(value->at("whole").is_number_float());
  EXPECT_TRUE(value->at("z").is_number_unsigned()) << "typed as nlohmann types it";
  EXPECT_EQ(*value, Value::parse(text));
}

TEST(Json, white_space_around_the_document_is_all_that_may_follow) {
  EXPECT_TRUE(status_of(" \n\t{} \r\n").ok());
  for (const char* text :
       {"{}{}", "{} x", "1 2", "", "  ", "\xef\xbb\xbf{}", "[1,]", "{\"a\":1,}", "{a:1}", "'a'", "// c\n1", "[01]", "[+1]", "[.5]"})
    EXPECT_EQ(status_of(text).code(), StatusCode::corrupt) << text;
}

TEST(Json, an_empty_view_is_corrupt) { EXPECT_EQ(status_of(std::string_view()).code(), StatusCode::corrupt); }

TEST(Json, duplicate_keys_are_refused_at_every_level) {
  for (const char* text : {R"({"a":1,"a":1})", R"({"a":1,"\u0061":2})", R"([{"b":{"c":1,"d":2,"c":3}}])"}) {
    const Status s = status_of(text);
    EXPECT_EQ(s.code(), StatusCode::corrupt) << text;
    EXPECT_NE(s.message().find("occurs twice"), std::string::npos) << s.message();
  }
  EXPECT_TRUE(status_of(R"({"a":{"a":1},"b":{"a":1}})").ok()) << "the same key in different objects is fine";
  std::string many = "{";
  for (int i = 0; i < 100; ++i) many += fmt::format("\"key{}\":0,", i);
  EXPECT_TRUE(status_of(many + "\"last\":0}").ok());
  EXPECT_EQ(status_of(many + "\"key37\":0}").code(), StatusCode::corrupt);
}

TEST(Json, depth_is_counted_exactly) {
  EXPECT_TRUE(status_of(nested(64)).ok());
  EXPECT_EQ(status_of(nested(65)).code(), StatusCode::corrupt);
  EXPECT_TRUE(status_of(R"({"a":[{}]})", {.max_depth = 3}).ok());
  EXPECT_EQ(status_of(R"({"a":[{"b":[]}]})", {.max_depth = 3}).code(), StatusCode::corrupt);
  EXPECT_TRUE(status_of("1", {.max_depth = 0}).ok());
  EXPECT_EQ(status_of("[]", {.max_depth = 0}).code(), StatusCode::corrupt);
  EXPECT_EQ(status_of(nested(1'000'000)).code(), StatusCode::corrupt);
  EXPECT_EQ(status_of(std::string(1'000'000, '[')).code(), StatusCode::corrupt);
}

TEST(Json, size_is_bounded) {
  EXPECT_TRUE(status_of("[1]", {.max_bytes = 3}).ok());
  EXPECT_EQ(status_of("[1] ", {.max_bytes = 3}).code(), StatusCode::invalid_argument);
}

TEST(Json, numbers_outside_the_types_are_refused) {
  EXPECT_TRUE(status_of("[18446744073709551615,-9223372036854775808,5e-324,1.7976931348623157e308]").ok());
  for (const char* text : {"18446744073709551616", "-9223372036854775809", "1e400", "-1e400", "1e", "NaN", "Infinity", "-Infinity", "0x10"})
    EXPECT_EQ(status_of(text).code(), StatusCode::corrupt) << text;
}

TEST(Json, text_must_be_utf8_and_escapes_must_be_characters) {
  for (const char* text : {"[\"\xff\"]", "[\"\xc3(\"]", "[\"\xed\xa0\x80\"]", "[\"\xc0\x80\"]", R"(["\ud800"])", R"(["\udc00"])",
                           R"({"\udc00":1})", R"(["\ud800\u0041"])", "[\"a\nb\"]", R"(["\x41"])"})
    EXPECT_EQ(status_of(text).code(), StatusCode::corrupt) << text;
  const auto value = parse(R"(["\ud83d\ude00","\u0000"])", "doc");
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(value->at(0).get<std::string>(), "\xf0\x9f\x98\x80");
  EXPECT_EQ(value->at(1).get<std::string>(), std::string(1, '\0'));
}

TEST(Json, every_truncation_of_an_object_is_corrupt) {
  const std::string text = R"({"a": [1, -2.5e3, "x\u00e9", {"b": null}], "c": true})";
  ASSERT_TRUE(status_of(text).ok());
  for (std::size_t n = 0; n < text.size(); ++n) EXPECT_EQ(status_of(text.substr(0, n)).code(), StatusCode::corrupt) << n;
}

TEST(Json, a_syntax_error_is_located) {
  const Status s = status_of("{\n  \"a\": 1,\n  \"b\": ]\n}");
  EXPECT_NE(s.message().find("line 3, column 8"), std::string::npos) << s.message();
  EXPECT_EQ(s.message().find("doc: "), 0u);
  const Status cut = status_of("{\"a\": 1");
  EXPECT_NE(cut.message().find("truncated"), std::string::npos) << cut.message();
  const Status nan = status_of(R"({"time_step_limit": [0.0, Infinity]})");
  EXPECT_NE(nan.message().find("NaN and Infinity are not JSON"), std::string::npos) << nan.message();
}

TEST(Json, many_keys_cost_no_more_than_their_sort) {
  std::string text = "{";
  for (int i = 0; i < 300'000; ++i) text += fmt::format("\"k{}\":0,", i);
  text += "\"end\":0}";
  const auto start = std::chrono::steady_clock::now();
  const auto value = parse(text, "doc");
  const auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(value->size(), 300'001u);
  EXPECT_LT(seconds, 20.0) << "quadratic building would take minutes";
}

TEST(Json, parse_file_reports_missing_and_broken_files) {
  EXPECT_EQ(parse_file("/nonexistent/config.json").status().code(), StatusCode::not_found);
  EXPECT_EQ(parse_file(std::filesystem::temp_directory_path().string()).status().code(), StatusCode::invalid_argument);
}

TEST(Json, find_treats_null_as_absent) {
  const Value v = Value::parse(R"({"a":null,"b":0})");
  EXPECT_EQ(find(v, "a"), nullptr);
  EXPECT_EQ(find(v, "c"), nullptr);
  ASSERT_NE(find(v, "b"), nullptr);
  EXPECT_EQ(find(Value::parse("[1]"), "a"), nullptr);
  EXPECT_EQ(find(Value(), "a"), nullptr);
}

constexpr Limits kPython{.dialect = Dialect::python};

Value python(std::string_view text) {
  auto v = parse(text, "doc", kPython);
  EXPECT_TRUE(v.ok()) << text << ": " << v.status().message();
  return v.ok() ? std::move(v).value() : Value();
}

TEST(JsonPython, huge_integers_become_the_nearest_double) {
  const Value v = python(R"({"a": 1000000000000000019884624838656, "b": -18446744073709551616, "s": "1000000000000000019884624838656\\\"",)"
                         R"("c": 12, "d": 0.1000000000000000019884624838656, "e": [18446744073709551615, 1e10, -9223372036854775808]})");
  EXPECT_EQ(v["a"].get<double>(), 1e30);
  EXPECT_EQ(v["b"].get<double>(), -18446744073709551616.0);
  EXPECT_EQ(v["s"], "1000000000000000019884624838656\\\"");
  EXPECT_EQ(v["c"], 12);
  EXPECT_TRUE(v["c"].is_number_unsigned());
  EXPECT_EQ(v["d"], 0.1);
  EXPECT_EQ(v["e"][0], 18446744073709551615u) << "what fits stays exact";
  EXPECT_EQ(v["e"][2], std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(python("9223372036854775808"), 9223372036854775808u);
  EXPECT_EQ(python("-9223372036854775809").get<double>(), -9223372036854775808.0);
  EXPECT_TRUE(std::isinf(python(std::string(400, '9')).get<double>()));
}

TEST(JsonPython, numbers_that_are_not_finite_keep_their_place) {
  const Value v = python(R"([1, NaN, {"a": Infinity, "NaN": "Infinity -Infinity NaN"}, -Infinity, 2.5, 1e400, -1e400, 1e-400, 3])");
  EXPECT_EQ(v[0], 1);
  EXPECT_TRUE(std::isnan(v[1].get<double>()));
  EXPECT_EQ(v[2]["a"], std::numeric_limits<double>::infinity());
  EXPECT_EQ(v[2]["NaN"], "Infinity -Infinity NaN");
  EXPECT_EQ(v[3], -std::numeric_limits<double>::infinity());
  EXPECT_EQ(v[4], 2.5);
  EXPECT_EQ(v[5], std::numeric_limits<double>::infinity());
  EXPECT_EQ(v[6], -std::numeric_limits<double>::infinity());
  EXPECT_EQ(v[7], 0.0);
  EXPECT_EQ(v[8], 3);
  EXPECT_TRUE(std::isinf(python("0.000001e500").get<double>()));
  EXPECT_EQ(python("1000000e-500").get<double>(), 0.0);
  EXPECT_EQ(python("[NaN, 0e99999999999999999999]")[1].get<double>(), 0.0);
}

TEST(JsonPython, what_python_refuses_is_refused) {
  for (const char* text : {"-NaN",
                           "[1NaN]",
                           "[NaN1]",
                           "[NaNNaN]",
                           "Infinity1",
                           "--Infinity",
                           "+Infinity",
                           "-",
                           "[1-2]",
                           "1e",
                           "1e400e1",
                           "00000000000000000001",
                           "-01000000000000000000000",
                           "1000000000000000000000 1",
                           "--10000000000000000000000",
                           "{NaN: 1}",
                           "{1e400: 1}",
                           "nan",
                           "inf",
                           "Infinit",
                           "0x10",
                           ".5",
                           "1.",
                           "\xef\xbb\xbf",
                           "\xef\xbb\xbf\xef\xbb\xbf{}",
                           "{}\xef\xbb\xbf",
                           "",
                           "[\"\xff\", NaN]",
                           "[\"NaN]",
                           "\"\\",
                           "[NaN",
                           "NaN NaN"})
    EXPECT_EQ(status_of(text, kPython).code(), StatusCode::corrupt) << text;
  EXPECT_EQ(status_of("[[[NaN]]]", {.max_depth = 2, .dialect = Dialect::python}).code(), StatusCode::corrupt);
  EXPECT_EQ(status_of(nested(1'000'000), kPython).code(), StatusCode::corrupt);
}

TEST(JsonPython, errors_stand_where_they_are_and_not_at_odd_numbers_before) {
  const Status s = status_of("{\n  \"a\": NaN,\n  \"b\": ]\n}", kPython);
  EXPECT_NE(s.message().find("line 3, column 8"), std::string::npos) << s.message();
}

TEST(JsonPython, a_byte_order_mark_is_skipped) {
  EXPECT_EQ(python("\xef\xbb\xbf{\"a\": 1}"), python("{\"a\": 1}"));
  EXPECT_EQ(python("\xef\xbb\xbf [Infinity]").size(), 1u);
}

TEST(JsonPython, the_last_of_repeated_keys_counts_in_the_place_of_the_first) {
  std::vector<std::string> repeated;
  const auto v = parse(R"({"a":1,"b":2,"a":3,"c":{"x":1,"\u0078":[NaN]},"a":{"y":4}})", "doc", kPython, &repeated);
  ASSERT_TRUE(v.ok()) << v.status().message();
  EXPECT_EQ(dump(*v), R"({"a":{"y":4},"b":2,"c":{"x":[null]}})");
  EXPECT_EQ(repeated, (std::vector<std::string>{"x", "a", "a"}));
  std::string many = "{";
  for (int i = 0; i < 40; ++i) many += fmt::format("\"key{}\":{},", i % 20, i);
  const auto w = parse(many + "\"last\":0}", "doc", kPython, &repeated);
  ASSERT_TRUE(w.ok());
  EXPECT_EQ(w->size(), 21u);
  EXPECT_EQ(w->begin().key(), "key0");
  EXPECT_EQ(w->at("key7"), 27);
  EXPECT_EQ(repeated.size(), 16u) << "a bounded list";
}

TEST(JsonPython, many_repeated_keys_cost_no_more_than_their_sort) {
  std::string text = "{";
  for (int i = 0; i < 50'000; ++i) text += "\"k\":1e999,";
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(python(text + "\"k\":2}"), Value({{"k", 2}}));
  EXPECT_LT(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(), 20.0);
}

TEST(JsonPython, every_truncation_of_an_object_is_corrupt) {
  const std::string text =
      "\xef\xbb\xbf"
      R"({"a": [NaN, -Infinity, 1e999, 123456789012345678901234567890, {"b": null}], "a": true})";
  ASSERT_TRUE(status_of(text, kPython).ok());
  for (std::size_t n = 0; n < text.size(); ++n) EXPECT_EQ(status_of(text.substr(0, n), kPython).code(), StatusCode::corrupt) << n;
}

TEST(JsonPython, the_strict_dialect_refuses_all_of_it) {
  for (const char* text : {"\xef\xbb\xbf{}", "NaN", "Infinity", "-Infinity", "1e400", "18446744073709551616", R"({"a":1,"a":1})"})
    EXPECT_EQ(status_of(text).code(), StatusCode::corrupt) << text;
}

TEST(JsonPython, dump_for_python_writes_what_was_read) {
  const std::string text = R"({"limits":[0.0,Infinity,-Infinity,NaN],"empty":[{},[]],"s":"Infinity","n":1})";
  EXPECT_EQ(dump_for_python(python(text)), text);
  const Value plain = python(R"({"a":[1,2.5,{"b":[]},{}],"é\n":null,"c":{"d":true}})");
  for (const int indent : {-1, 0, 2}) EXPECT_EQ(dump_for_python(plain, indent), dump(plain, indent)) << "laid out alike";
  EXPECT_EQ(dump(python("[NaN]")), "[null]");
}

TEST(JsonPython, a_number_that_is_asked_for_must_be_finite_and_an_integer_exact) {
  const Value v = python(R"({"nan":NaN,"inf":Infinity,"huge":1e999,"big":1000000000000000000000000})");
  for (const char* key : {"nan", "inf", "huge"}) EXPECT_EQ(get_number(v, key, 0).status().code(), StatusCode::corrupt) << key;
  EXPECT_EQ(get_number(v, "inf", 0).status().message(), R"(key "inf": expected a finite number, found Infinity)");
  EXPECT_EQ(*get_number(v, "big", 0), 1e24);
  for (const char* key : {"nan", "inf", "big"})
    EXPECT_EQ(get_int(v, key, 0, 0, std::numeric_limits<std::int64_t>::max()).status().code(), StatusCode::corrupt) << key;
}

TEST(Json, get_int_checks_type_and_range) {
  const Value v = Value::parse(R"({"n":5,"neg":-5,"big":18446744073709551615,"f":5.0,"b":true,"s":"5","null":null,"o":{}})");
  EXPECT_EQ(*get_int(v, "n", 7, 0, 10), 5);
  EXPECT_EQ(*get_int(v, "neg", 7, -5, 10), -5);
  EXPECT_EQ(*get_int(v, "missing", 7, 0, 1), 7);
  EXPECT_EQ(*get_int(v, "null", 7, 0, 1), 7);
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  for (const char* key : {"big", "f", "b", "s", "o"}) EXPECT_EQ(get_int(v, key, 7, 0, kMax).status().code(), StatusCode::corrupt) << key;
  EXPECT_FALSE(get_int(v, "n", 7, 6, 10).ok());
  EXPECT_FALSE(get_int(v, "n", 7, 0, 4).ok());
  EXPECT_EQ(get_int(v, "n", 7, 0, 4).status().message(), R"(key "n": expected an integer from 0 to 4, found 5)");
  EXPECT_EQ(get_int(v, "s", 7, 0, 4).status().message(), R"(key "s": expected an integer, found "5")");
}

TEST(Json, other_getters_check_types) {
  const Value v = Value::parse(R"({"n":5,"f":0.5,"b":true,"s":"x","o":{"a":1}})");
  EXPECT_EQ(*get_number(v, "n", 0), 5.0);
  EXPECT_EQ(*get_number(v, "f", 0), 0.5);
  EXPECT_EQ(*get_number(v, "none", 0.25), 0.25);
  EXPECT_FALSE(get_number(v, "s", 0).ok());
  EXPECT_FALSE(get_number(v, "b", 0).ok());
  EXPECT_TRUE(*get_bool(v, "b", false));
  EXPECT_TRUE(*get_bool(v, "none", true));
  EXPECT_FALSE(get_bool(v, "n", false).ok());
  EXPECT_EQ(*get_string(v, "s", ""), "x");
  EXPECT_EQ(*get_string(v, "none", "d"), "d");
  EXPECT_FALSE(get_string(v, "o", "").ok());
}

TEST(Json, dump_indents_and_never_throws) {
  EXPECT_EQ(dump(Value::parse(R"({"b":1,"a":[]})"), 2), "{\n  \"b\": 1,\n  \"a\": []\n}");
  EXPECT_EQ(dump(Value(std::string("\xff"))), "\"\xef\xbf\xbd\"");
}

TEST(Json, quote_is_safe_on_a_terminal) {
  EXPECT_EQ(quote("a.b"), "\"a.b\"");
  EXPECT_EQ(quote(std::string("\x1b[31m\0", 6)), R"("\u001b[31m\u0000")");
  EXPECT_EQ(quote("\x7f\xe2\x80\xae"), R"("\u007f\u202e")");
  EXPECT_EQ(quote("abcdef", 3), "\"abc\"...");
  EXPECT_EQ(quote("ab\xc3\xa9x", 3), "\"ab\"...") << "not cut inside a character";
  for (const char c : quote(std::string(300, '\xff'))) EXPECT_TRUE(c >= 0x20 && c < 0x7f);
}

TEST(Json, find_duplicate_agrees_with_pairwise_comparison) {
  for (const std::size_t n : {std::size_t{0}, std::size_t{1}, std::size_t{5}, std::size_t{12}, std::size_t{13}, std::size_t{200}}) {
    std::vector<std::string> owned;
    for (std::size_t i = 0; i < n; ++i) owned.push_back(fmt::format("name.{}", i * 7919 % 1000));
    std::vector<std::string_view> keys(owned.begin(), owned.end());
    EXPECT_FALSE(find_duplicate(keys).has_value()) << n;
    for (std::size_t i = 0; i + 1 < n; i += 3) {
      auto doubled = keys;
      doubled.back() = doubled[i];
      EXPECT_EQ(find_duplicate(doubled), n - 1) << n << " " << i;
    }
  }
}

}  // namespace
}  // namespace jang::json
