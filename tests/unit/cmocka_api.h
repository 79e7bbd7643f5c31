/* SPDX-License-Identifier: Apache-2.0 */
/* cmocka with what it wants to be included before it, and a check of an
 * error value's code that frees it. */
#ifndef REHOME_TESTS_CMOCKA_API_H
#define REHOME_TESTS_CMOCKA_API_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"

#define assert_ok(expr)                                                    \
  do {                                                                     \
    struct err *ok_err_ = (expr);                                          \
    if (ok_err_ != NULL) {                                                 \
      print_error ("%s: %s\n", err_code (ok_err_), err_message (ok_err_)); \
      err_free (ok_err_);                                                  \
      fail_msg ("%s failed", #expr);                                       \
    }                                                                      \
  } while (0)

#define assert_code(expr, expected)                       \
  do {                                                    \
    struct err *code_err_ = (expr);                       \
    assert_non_null (code_err_);                          \
    assert_string_equal (err_code (code_err_), expected); \
    err_free (code_err_);                                 \
  } while (0)

#endif
