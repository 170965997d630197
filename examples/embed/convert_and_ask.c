/* SPDX-License-Identifier: Apache-2.0
 * Converts a model with progress and streams what it says, in C: convert_and_ask SOURCE OUTPUT "PROMPT"
 * cc convert_and_ask.c $(pkg-config --cflags --libs jang); where libjang is an archive, --static goes before --libs. */
#include <jang/jang.h>

#include <stdio.h>

static int32_t tell(const jang_event* event, void* user) {
  (void)user;
  if (event->kind == JANG_EVENT_PHASE) fprintf(stderr, "[%d/%d] %s\n", (int)event->phase, (int)event->phases, event->text);
  return 1; /* 0 would cancel */
}

static int32_t print(const char* piece, void* user) {
  (void)user;
  return fputs(piece, stdout) >= 0 && fflush(stdout) == 0;
}

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  jang_convert_options conversion;
  jang_convert_options_init(&conversion);
  conversion.output = argv[2];
  conversion.force = 1;
  jang_session_options sampling;
  jang_session_options_init(&sampling);
  sampling.temperature = 0;
  jang_model* model = NULL;
  jang_session* session = NULL;
  int32_t* tokens = NULL;
  size_t n = 0;
  const int failed = jang_convert(argv[1], &conversion, tell, NULL, NULL) != JANG_OK || jang_model_open(argv[2], NULL, &model) != JANG_OK ||
                     jang_session_create(model, &sampling, &session) != JANG_OK ||
                     jang_tokenize(model, argv[3], 1, &tokens, &n) != JANG_OK || jang_session_set_prompt(session, tokens, n) != JANG_OK ||
                     jang_session_generate(session, 32, print, NULL, NULL) != JANG_OK;
  if (failed) fprintf(stderr, "%s\n", jang_error_message());
  jang_free(tokens);
  jang_session_free(session);
  jang_model_free(model);
  return failed;
}
