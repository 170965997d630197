// SPDX-License-Identifier: Apache-2.0
// Exit codes are permanent.
#include "cli/exit_code.h"

#include <gtest/gtest.h>

#include "cli/failure.h"

namespace jang::cli {
namespace {

TEST(ExitCode, status_codes_map_to_the_documented_numbers) {
  EXPECT_EQ(exit_code(Status()), 0);
  EXPECT_EQ(exit_code(Status(StatusCode::invalid_argument, "")), 2);
  EXPECT_EQ(exit_code(Status(StatusCode::not_found, "")), 3);
  EXPECT_EQ(exit_code(Status(StatusCode::corrupt, "")), 3);
  EXPECT_EQ(exit_code(Status(StatusCode::unsupported, "")), 4);
  EXPECT_EQ(exit_code(Status(StatusCode::io, "")), 1);
  EXPECT_EQ(exit_code(Status::write_error("")), 7);
  EXPECT_EQ(exit_code(Status(StatusCode::out_of_memory, "")), 6);
  EXPECT_EQ(exit_code(Status(StatusCode::device, "")), 1);
  EXPECT_EQ(kExitValidationFailed, 5);
}

TEST(ExitCode, cancelled_carries_the_signal) {
  EXPECT_EQ(exit_code(Status(StatusCode::cancelled, ""), 2), 130);
  EXPECT_EQ(exit_code(Status(StatusCode::cancelled, ""), 15), 143);
  EXPECT_EQ(exit_code(Status(StatusCode::corrupt, ""), 15), 3);
}

TEST(ExitCode, context_keeps_the_write_error) { EXPECT_EQ(exit_code(Status::write_error("disk full").with_context("writing")), 7); }

TEST(ExitCode, failure_to_open_an_input_is_never_a_usage_error) {
  EXPECT_EQ(exit_code(as_input_failure(Status(StatusCode::invalid_argument, "not a regular file"))), 3);
  EXPECT_EQ(exit_code(as_input_failure(Status(StatusCode::unsupported, ""))), 4);
}

TEST(ExitCode, failure_has_three_parts) {
  const Status status(StatusCode::corrupt, "model.safetensors ends at byte 7\x1b[2J");
  const std::string text = failure_text("cannot convert x", "convert", status, false);
  EXPECT_EQ(text.rfind("error: cannot convert x\n  why: model.safetensors ends at byte 7?[2J\n  fix: ", 0), 0u) << text;
  for (const StatusCode code : {StatusCode::invalid_argument, StatusCode::corrupt, StatusCode::unsupported, StatusCode::io,
                                StatusCode::out_of_memory, StatusCode::device, StatusCode::cancelled})
    EXPECT_FALSE(advice("convert", Status(code, "")).empty()) << to_string(code);
  EXPECT_EQ(failure_text("cannot convert x", "convert", Status(StatusCode::not_found, "no such directory"), false),
            "error: cannot convert x\n  why: no such directory\n");
  EXPECT_EQ(failure_line("cannot convert x", "convert", Status(StatusCode::not_found, "no such directory")),
            "cannot convert x: no such directory");
  EXPECT_NE(advice("convert", Status::write_error("")), advice("convert", Status(StatusCode::io, "")));
}

}  // namespace
}  // namespace jang::cli
