/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "table.h"
#include "text.h"

#include <sys/ioctl.h>
#include <unistd.h>

#define GAP 2

struct _MossTable
{
  guint n_columns;
  gboolean *right;
  GPtrArray *cells;   /* of char *, the headings first */
};

MossTable *
moss_table_new (const char *const *columns)
{
  MossTable *table = g_new0 (MossTable, 1);

  table->n_columns = g_strv_length ((GStrv) columns);
  table->right = g_new0 (gboolean, table->n_columns);
  table->cells = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 0; i < table->n_columns; i++)
    {
      table->right[i] = columns[i][0] == '>';
      moss_table_add (table, columns[i] + table->right[i]);
    }
  return table;
}

void
moss_table_add (MossTable *table, const char *text)
{
  g_ptr_array_add (table->cells, moss_text_clean (text));
}

static guint
get_column_width (MossTable *table, guint column)
{
  guint width = 0;

  for (guint i = column; i < table->cells->len; i += table->n_columns)
    width = MAX (width, moss_text_width (table->cells->pdata[i]));
  return width;
}

static void
append_cell (GString *text, const char *cell, guint width, gboolean right, gboolean last)
{
  guint padding = width - MIN (width, moss_text_width (cell));

  if (right)
    g_string_append_printf (text, "%*s", (int) padding, "");
  g_string_append (text, cell);
  if (!last)
    g_string_append_printf (text, "%*s", (int) (right ? GAP : padding + GAP), "");
}

static void
append_last (GString *text, const char *cell, guint start, guint width)
{
  g_autofree char *shortened = NULL;

  if (width > start + 1)
    shortened = moss_text_shorten (cell, width - start);
  append_cell (text, shortened != NULL ? shortened : cell, 0, FALSE, TRUE);
}

char *
moss_table_format (MossTable *table, guint width)
{
  g_autofree guint *widths = g_new (guint, table->n_columns);
  GString *text = g_string_new (NULL);
  guint start = 0;

  for (guint i = 0; i < table->n_columns; i++)
    widths[i] = get_column_width (table, i);
  for (guint i = 0; i + 1 < table->n_columns; i++)
    start += widths[i] + GAP;
  for (guint i = 0; i < table->cells->len; i++)
    {
      guint column = i % table->n_columns;
      gboolean last = column + 1 == table->n_columns;

      if (last && !table->right[column])
        append_last (text, table->cells->pdata[i], start, width);
      else
        append_cell (text, table->cells->pdata[i], widths[column], table->right[column], last);
      if (!last)
        continue;
      while (text->len > 0 && text->str[text->len - 1] == ' ')
        g_string_truncate (text, text->len - 1);
      g_string_append_c (text, '\n');
    }
  return g_string_free (text, FALSE);
}

guint
moss_terminal_columns (int fd)
{
  struct winsize size;

  if (!isatty (fd))
    return 0;
  return ioctl (fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

void
moss_table_print (MossTable *table)
{
  g_autofree char *text = moss_table_format (table, moss_terminal_columns (STDOUT_FILENO));

  g_print ("%s", text);
}

void
moss_table_free (MossTable *table)
{
  g_ptr_array_unref (table->cells);
  g_free (table->right);
  g_free (table);
}
