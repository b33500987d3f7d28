/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Calls from several threads for tests: ffi-caller CALLS THREADS REQUEST BYTES [MS], the last
 * being the deadline of each. Prints how many
 * gave a result that stays what it is, how many didn't, and how long the longest took, in ms. */
#include "ffi-broker/client/moss-ffi.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *request;
static gint left, done, failed, longest_ms;
static gsize bytes;
static guint64 deadline_us; /* 0: none */

static GVariant *
wanted (void)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  if (deadline_us > 0)
    g_variant_dict_insert (&dict, "want:deadline-us", "t", deadline_us);
  return g_variant_dict_end (&dict);
}

/* Nobody writes in it any more. */
static gboolean
is_stable (MossFfiResult *result)
{
  MossFfiBuffer *buffer = moss_ffi_result_get_buffer (result, 0);
  g_autoptr (GBytes) data = moss_ffi_buffer_get_bytes (buffer, NULL);
  g_autofree char *before = g_compute_checksum_for_bytes (G_CHECKSUM_MD5, data);
  g_autofree char *after = NULL;

  g_usleep (100);
  after = g_compute_checksum_for_bytes (G_CHECKSUM_MD5, data);
  return g_str_equal (before, after);
}

static void
call_once (MossFfiClient *client)
{
  g_autofree char *text = g_malloc (bytes);
  g_autoptr (GBytes) data = NULL;
  g_autoptr (MossFfiBuffer) buffer = NULL;
  g_autoptr (MossFfiResult) result = NULL;
  g_autoptr (GError) error = NULL;
  gint64 began = g_get_monotonic_time ();
  gint took_ms;

  memset (text, 'a', bytes);
  data = g_bytes_new_take (g_steal_pointer (&text), bytes);
  buffer = moss_ffi_buffer_new ("text/plain", data);
  result = moss_ffi_client_call (client, request, &buffer, 1, wanted (), NULL, &error);
  took_ms = (g_get_monotonic_time () - began) / 1000;
  g_atomic_int_inc (result != NULL && is_stable (result) ? &done : &failed);
  if (error != NULL)
    g_printerr ("%s\n", error->message);
  for (gint seen = g_atomic_int_get (&longest_ms);
       took_ms > seen && !g_atomic_int_compare_and_exchange (&longest_ms, seen, took_ms);
       seen = g_atomic_int_get (&longest_ms))
    ;
}

static gpointer
run (gpointer client)
{
  while (g_atomic_int_add (&left, -1) > 0)
    call_once (client);
  return NULL;
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  MossFfiClient *client;
  GThread *threads[64];
  int n;

  if (argc < 5 || argc > 6)
    return 2;
  left = atoi (argv[1]);
  n = CLAMP (atoi (argv[2]), 1, 64);
  request = argv[3];
  bytes = strtoul (argv[4], NULL, 10);
  deadline_us = argc > 5 ? strtoul (argv[5], NULL, 10) * 1000 : 0;
  client = moss_ffi_client_get_default (&error);
  if (client == NULL)
    {
      g_printerr ("ffi-caller: %s\n", error->message);
      return 1;
    }
  for (int i = 0; i < n; i++)
    threads[i] = g_thread_new ("caller", run, client);
  for (int i = 0; i < n; i++)
    g_thread_join (threads[i]);
  printf ("%d %d %d\n", done, failed, longest_ms);
  return 0;
}
