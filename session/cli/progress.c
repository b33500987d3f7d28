/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "progress.h"
#include "table.h"
#include "text.h"

#include <unistd.h>

#define BAR 20

char *
moss_progress_format (const char *title, double fraction, const char *text, guint columns)
{
  gboolean fine = g_get_charset (NULL);
  GString *line = g_string_new (NULL);
  g_autofree char *clean_title = moss_text_clean (title);
  g_autofree char *clean_text = moss_text_clean (text);
  g_autofree char *whole = NULL;
  guint done;

  /* Not a comparison that NaN passes. */
  if (!(fraction >= 0))
    fraction = 0;
  fraction = MIN (fraction, 1);
  done = (guint) (fraction * BAR + 0.5);
  g_string_append_printf (line, "%s  ", clean_title);
  for (guint i = 0; i < BAR; i++)
    g_string_append (line, i < done ? (fine ? "█" : "#") : (fine ? "░" : "."));
  g_string_append_printf (line, " %3d %%", (int) (fraction * 100));
  if (clean_text[0] != '\0')
    g_string_append_printf (line, "  %s", clean_text);
  whole = g_string_free (line, FALSE);
  return moss_text_shorten (whole, columns);
}

void
moss_progress_begin (MossProgress *progress, char *title, gboolean quiet)
{
  progress->title = title;
  progress->shown = !quiet && isatty (STDERR_FILENO);
}

void
moss_progress_update (MossProgress *progress, double fraction, const char *text)
{
  guint columns = progress->shown ? moss_terminal_columns (STDERR_FILENO) : 0;
  g_autofree char *line = NULL;

  if (columns < 2)
    return;
  line = moss_progress_format (progress->title, fraction, text, columns - 1);
  g_printerr ("\r\033[K%s", line);
  progress->drawn = TRUE;
}

void
moss_progress_wipe (MossProgress *progress)
{
  if (progress->drawn)
    g_printerr ("\r\033[K");
  progress->drawn = FALSE;
}
