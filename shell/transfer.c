// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-transfer"

#include "transfer.h"

#include <gio/gunixoutputstream.h>

/* What pasting and dropping share: which types there are, and the way into an app's pipe. */

#define MAX_TYPES 64

static void
on_spliced (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;

  if (g_output_stream_splice_finish (G_OUTPUT_STREAM (source), result, &error) < 0)
    g_debug ("pouring into a pipe: %s", error->message);
}

void
moss_transfer_pour (GInputStream *input, int fd)
{
  g_autoptr (GInputStream) from = input;
  g_autoptr (GOutputStream) to = g_unix_output_stream_new (fd, TRUE);

  g_output_stream_splice_async (to, from,
                                G_OUTPUT_STREAM_SPLICE_CLOSE_SOURCE |
                                G_OUTPUT_STREAM_SPLICE_CLOSE_TARGET,
                                G_PRIORITY_DEFAULT, NULL, on_spliced, NULL);
}

GPtrArray *
moss_transfer_types (GdkContentFormats *formats, GdkContentFormats **all)
{
  GPtrArray *types = g_ptr_array_new ();
  gsize n = 0;
  const char *const *names;

  *all = gdk_content_formats_union_serialize_mime_types (gdk_content_formats_ref (formats));
  names = gdk_content_formats_get_mime_types (*all, &n);
  for (gsize i = 0; i < MIN (n, MAX_TYPES); i++)
    g_ptr_array_add (types, (gpointer) names[i]);
  g_ptr_array_add (types, NULL);
  return types;
}
