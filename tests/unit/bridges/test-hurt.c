// SPDX-License-Identifier: GPL-3.0-or-later
/* A worker with a bridge that means harm: what it tries is refused, and how it fails is told to
 * the caller clearly. */
#include "workers.h"

#include <glib/gstdio.h>
#include <string.h>

static MossFfiResult *
call (Worker *worker, const char *key, const char *out_caps, GError **error)
{
  const char *function = worker_find (worker, key, 3);

  g_assert_nonnull (function);
  return worker_call (worker, function, out_caps, NULL, NULL, error);
}

static gint32
value_of (Worker *worker, const char *key)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MossFfiResult) result = call (worker, key, "", &error);
  g_autoptr (GVariant) value = NULL;

  g_assert_no_error (error);
  value = g_variant_lookup_value (moss_ffi_result_get_values (result), "value",
                                  G_VARIANT_TYPE_INT32);
  g_assert_nonnull (value);
  return g_variant_get_int32 (value);
}

static void
test_refused (gconstpointer key)
{
  g_autoptr (Worker) worker = worker_start ("hurt", NULL);

  g_assert_nonnull (worker);
  g_assert_cmpint (value_of (worker, key), ==, 0);
}

static void
test_crash (void)
{
  g_autoptr (Worker) worker = worker_start ("hurt", NULL);
  g_autoptr (GError) error = NULL;

  g_assert_null (call (worker, "generate crash -> application/x-moss-value", "", &error));
  g_assert_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_LOST);
}

static void
test_hang (void)
{
  g_autoptr (Worker) worker = worker_start ("hurt", NULL);
  g_autoptr (GError) error = NULL;
  gint64 start = g_get_monotonic_time ();

  worker->patience_us = G_USEC_PER_SEC / 2;
  g_assert_null (call (worker, "generate hang -> application/x-moss-value", "", &error));
  g_assert_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_TIMED_OUT);
  g_assert_cmpint (g_get_monotonic_time () - start, <, 20 * G_USEC_PER_SEC);
}

/* Some of the 16 GB that it wants, not all. */
static void
test_eat (void)
{
  g_autoptr (Worker) worker = worker_start ("hurt", NULL);

#ifndef __SANITIZE_ADDRESS__
  g_assert_cmpint (value_of (worker, "generate eat -> application/x-moss-value"), <, 16);
#endif
}

static void
test_wrong (gconstpointer key)
{
  g_autoptr (Worker) worker = worker_start ("hurt", NULL);
  g_autoptr (GError) error = NULL;
  const char *out_caps = strstr (key, " -> ") + 4;

  g_assert_null (call (worker, key, out_caps, &error));
  g_test_message ("%s", error->message);
  g_assert_true (g_error_matches (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_WRONG_TYPE) ||
                 g_error_matches (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_BAD_BUFFER));
}

/* It is either refused, or what came stays as it came. */
static void
test_change (void)
{
  g_autoptr (Worker) worker = worker_start ("hurt", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (MossFfiResult) result = NULL;
  g_autoptr (GBytes) bytes = NULL;
  const char *data;

  result = call (worker, "generate change -> application/octet-stream",
                 "application/octet-stream", &error);
  if (result == NULL)
    {
      g_test_message ("%s", error->message);
      g_assert_false (g_error_matches (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_LOST));
      return;
    }
  bytes = moss_ffi_buffer_get_bytes (moss_ffi_result_get_buffer (result, 0), NULL);
  data = g_bytes_get_data (bytes, NULL);
  for (guint i = 0; i < 10; i++)
    {
      g_usleep (10000);
      g_assert_cmpint (data[0], ==, 'A');
      g_assert_cmpint (data[99999], ==, 'A');
    }
}

static void
test_no_such_bridge (void)
{
  g_assert_null (worker_start ("nothing", NULL));
}

static void
test_program_not_there (void)
{
  g_autofree char *path = NULL;
  const char *text = "[Provider]\nId=x\nProgram=/nonexistent/x\n[Function f]\n"
                     "Capability=encode(text/plain) -> application/gzip\n";
  int fd = g_file_open_tmp ("moss-XXXXXX.mossfn", &path, NULL);

  g_assert_cmpint (fd, >=, 0);
  g_close (fd, NULL);
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  g_assert_null (worker_start ("exec", path));
  g_unlink (path);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/hurt/write-file",
                        "generate write-file -> application/x-moss-value", test_refused);
  g_test_add_data_func ("/hurt/read-private",
                        "generate read-private -> application/x-moss-value", test_refused);
  g_test_add_data_func ("/hurt/use-network",
                        "generate use-network -> application/x-moss-value", test_refused);
  g_test_add_data_func ("/hurt/execute", "generate execute -> application/x-moss-value",
                        test_refused);
  g_test_add_data_func ("/hurt/reach-others",
                        "generate reach-others -> application/x-moss-value", test_refused);
  g_test_add_func ("/hurt/crash", test_crash);
  g_test_add_func ("/hurt/hang", test_hang);
  g_test_add_func ("/hurt/eat", test_eat);
  g_test_add_data_func ("/hurt/wrong-type", "generate wrong-type -> image/png", test_wrong);
  g_test_add_data_func ("/hurt/short", "generate short -> video/x-raw", test_wrong);
  g_test_add_func ("/hurt/change", test_change);
  g_test_add_func ("/hurt/no-such-bridge", test_no_such_bridge);
  g_test_add_func ("/hurt/program-not-there", test_program_not_there);
  return g_test_run ();
}
