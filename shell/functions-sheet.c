// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-shell"

#include "functions-sheet.h"

#include "functions/page.h"

#include <glib/gi18n.h>

#define WIDTH 900
#define HEIGHT 500

void
moss_functions_sheet_show (MossShell *shell)
{
  GtkWidget *body;
  GtkWidget *sheet = moss_sheets_make_dialog (shell->sheets, _ ("Functions"), &body);
  GtkWidget *page = moss_functions_page_new (shell->bus);

  gtk_widget_set_size_request (page, WIDTH, HEIGHT);
  gtk_widget_set_overflow (page, GTK_OVERFLOW_HIDDEN);
  gtk_box_append (GTK_BOX (body), page);
  moss_sheets_show (shell->sheets, sheet);
  moss_functions_page_search (MOSS_FUNCTIONS_PAGE (page));
}
