/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A program with functions for tests: ffi-provider ID VERSION FUNCTION…
 * sort: radix sort of i32, as many times as the file in MOSS_TEST_SLOW says; qsort: the same by
 * the C library; upper: ASCII text in capitals; think: so, too, after a while of work; steady and
 * doze: so, too, after 30 and 300 ms; crash, hang, wrong, slow: what a bad one does with text;
 * turn: as upper until the file in MOSS_TEST_TURN names one of these. WHAT@NAME: it is offered as
 * NAME. many=N: N offers. */
#include "ffi-broker/client/moss-ffi.h"

#include <glib-unix.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TENSOR "application/x-moss-tensor,dtype=i32"
#define SORT "transform sort(" TENSOR ") -> " TENSOR
#define THINK_US 150000
#define STEADY_US 30000
#define DOZE_US 300000
#define SLOW_US 3000000
#define TEXT(operation) "transform " operation "(text/plain) -> text/plain"

static void
radix_sort (guint32 *data, guint32 *other, gsize n)
{
  for (guint shift = 0; shift < 32; shift += 8)
    {
      gsize count[257] = { 0 };
      guint32 *swap;

      for (gsize i = 0; i < n; i++)
        count[((data[i] ^ 0x80000000u) >> shift & 255) + 1]++;
      for (guint i = 0; i < 256; i++)
        count[i + 1] += count[i];
      for (gsize i = 0; i < n; i++)
        other[count[(data[i] ^ 0x80000000u) >> shift & 255]++] = data[i];
      swap = data;
      data = other;
      other = swap;
    }
}

static int
compare (const void *a, const void *b)
{
  const gint32 *one = a, *other = b;

  return (*one > *other) - (*one < *other);
}

static guint
times (void)
{
  const char *path = g_getenv ("MOSS_TEST_SLOW");
  g_autofree char *text = NULL;

  return path != NULL && g_file_get_contents (path, &text, NULL, NULL) ? MAX (1, atoi (text)) : 1;
}

static void
on_sort (MossFfiInvocation *invocation, gpointer user_data)
{
  MossFfiBuffer *input = moss_ffi_invocation_get_input (invocation, 0);
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = moss_ffi_buffer_get_bytes (input, &error);
  g_autoptr (MossFfiBuffer) output =
      bytes != NULL ? moss_ffi_buffer_new_writable (moss_ffi_buffer_get_caps (input),
                                                    g_bytes_get_size (bytes), &error)
                    : NULL;
  g_autofree guint32 *other = NULL;
  gsize length;
  guint8 *data;

  if (output == NULL)
    {
      moss_ffi_invocation_return_error (invocation, error);
      return;
    }
  data = moss_ffi_buffer_get_data (output, &length);
  other = g_malloc (MAX (length, 4));
  for (guint i = times (); i > 0; i--)
    {
      memcpy (data, g_bytes_get_data (bytes, NULL), length);
      if (g_str_equal (user_data, "qsort"))
        qsort (data, length / 4, 4, compare);
      else
        radix_sort ((guint32 *) data, other, length / 4);
    }
  moss_ffi_invocation_add_output (invocation, output);
  moss_ffi_invocation_return (invocation);
}

/* What it does now. Transfer full. */
static char *
what_now (const char *what)
{
  const char *path = g_getenv ("MOSS_TEST_TURN");
  char *turned = NULL;

  if (!g_str_equal (what, "turn"))
    return g_strdup (what);
  if (path != NULL && g_file_get_contents (path, &turned, NULL, NULL))
    return g_strstrip (turned);
  return g_strdup ("upper");
}

/* Until it is cancelled, which it tells. */
static void
be_slow (MossFfiInvocation *invocation)
{
  GCancellable *cancellable = moss_ffi_invocation_get_cancellable (invocation);
  gint64 end = g_get_monotonic_time () + SLOW_US;
  g_autofree char *told = NULL;

  while (g_get_monotonic_time () < end && !g_cancellable_is_cancelled (cancellable))
    g_usleep (10000);
  told = g_strconcat (g_getenv ("MOSS_TEST_TURN"), ".cancelled", NULL);
  if (g_cancellable_is_cancelled (cancellable))
    g_file_set_contents (told, "", 0, NULL);
}

static void
on_text (MossFfiInvocation *invocation, gpointer user_data)
{
  g_autofree char *what = what_now (user_data);
  MossFfiBuffer *input = moss_ffi_invocation_get_input (invocation, 0);
  g_autoptr (GBytes) bytes = moss_ffi_buffer_get_bytes (input, NULL);
  gsize length = bytes != NULL ? g_bytes_get_size (bytes) : 0;
  g_autofree char *text = g_ascii_strup (length > 0 ? g_bytes_get_data (bytes, NULL) : "", length);
  g_autoptr (GBytes) made = g_bytes_new (text, length);
  g_autoptr (MossFfiBuffer) output = NULL;

  if (g_str_equal (what, "crash") && length > 0)
    abort ();
  if (g_str_equal (what, "hang"))
    sleep (3600);
  if (g_str_equal (what, "slow"))
    be_slow (invocation);
  if (g_str_equal (what, "steady") || g_str_equal (what, "doze"))
    g_usleep (g_str_equal (what, "doze") ? DOZE_US : STEADY_US);
  for (gint64 end = g_get_monotonic_time () + THINK_US;
       g_str_equal (what, "think") && g_get_monotonic_time () < end;)
    ;
  output = moss_ffi_buffer_new (g_str_equal (what, "wrong") ? "image/png" : "text/plain", made);
  moss_ffi_invocation_add_output (invocation, output);
  moss_ffi_invocation_return (invocation);
}

static gboolean
add (MossFfiProvider *provider, const char *function, const char *capability,
     MossFfiFunction callback, const char *what, GError **error)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "pure", "b", TRUE);
  g_variant_dict_insert (&dict, "deterministic", "b", TRUE);
  g_variant_dict_insert (&dict, "quality-rank", "u", 500u);
  g_variant_dict_insert (&dict, "function", "s", function);
  return moss_ffi_provider_add (provider, capability, g_variant_dict_end (&dict), callback,
                                (gpointer) what, NULL, error);
}

static gboolean
add_many (MossFfiProvider *provider, guint n, const char *name, GError **error)
{
  for (guint i = 0; i < n; i++)
    {
      g_autofree char *function = g_strdup_printf ("f%u", i);
      g_autofree char *capability = g_strdup_printf (TEXT ("%s-%u"), name, i);

      if (!add (provider, function, capability, on_text, "upper", error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
add_named (MossFfiProvider *provider, const char *name, GError **error)
{
  g_auto (GStrv) what = g_strsplit (name, "@", 2);
  g_autofree char *capability = NULL;

  if (g_str_has_suffix (name, "sort"))
    return add (provider, name, SORT, on_sort, name, error);
  if (g_str_has_prefix (name, "many="))
    return add_many (provider, atoi (name + 5), what[1] != NULL ? what[1] : "many", error);
  capability = g_strdup_printf (TEXT ("%s"), what[1] != NULL ? what[1] : name);
  return add (provider, name, capability, on_text, g_intern_string (what[0]), error);
}

int
main (int argc, char **argv)
{
  g_autoptr (MossFfiProvider) provider = NULL;
  g_autoptr (GError) error = NULL;
  gboolean added = argc > 3;

  if (!added)
    return 2;
  provider = moss_ffi_provider_new (argv[1], argv[2]);
  moss_ffi_provider_set_returns_memory (provider, TRUE);
  if (g_getenv ("MOSS_TEST_TURN") != NULL)
    moss_ffi_provider_set_threads (provider, 2); /* to hear that a call is cancelled */
  for (int i = 3; added && i < argc; i++)
    added = add_named (provider, argv[i], &error);
  if (!added || !moss_ffi_provider_run (provider, &error))
    {
      g_printerr ("ffi-provider: %s\n", error->message);
      return 1;
    }
  return 0;
}
