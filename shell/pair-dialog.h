// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "moss-dbus-agent.h"
#include "shell.h"

G_BEGIN_DECLS

/* The person's devices: begin an identity, add a device by a code, list and revoke. */
void moss_pair_dialog_show (MossShell *shell);

/* --- for the files of the dialog --- */

#define MOSS_TYPE_PAIR_DIALOG (moss_pair_dialog_get_type ())
G_DECLARE_FINAL_TYPE (MossPairDialog, moss_pair_dialog, MOSS, PAIR_DIALOG, GObject)

struct _MossPairDialog
{
  GObject parent_instance;

  MossShell *shell;
  MossDBusNet1 *net;
  MossDBusAgent1 *agent;
  GVariant *identity; /* as Net1.Identity has it */
  GtkWidget *sheet;   /* NULL: it was closed */
  GtkWidget *warning;
  GtkWidget *done; /* the button that goes on */

  /* of the page that is shown */
  GtkWidget *name;
  GtkWidget *passphrase;
  GtkWidget *again;
  GtkWidget *keyring;
  GtkWidget *where;
  GtkWidget *code;
  GtkWidget *left;
  GtkWidget *address; /* of a host: the page of hosts is shown */
  guint tick;
  gint64 until_us;
  void (*sealed) (MossPairDialog *self);
};

GtkWidget *moss_pair_dialog_begin (MossPairDialog *self, const char *title, GtkWidget **body);
void moss_pair_dialog_fail (MossPairDialog *self, const GError *error);
void moss_pair_dialog_load (MossPairDialog *self);
void moss_pair_dialog_add_sealing (MossPairDialog *self, GtkWidget *body);
void moss_pair_dialog_seal (MossPairDialog *self, void (*sealed) (MossPairDialog *self));
void moss_pair_dialog_add_ways (MossPairDialog *self, GtkWidget *body);
void moss_pair_dialog_show_hosts (MossPairDialog *self);
void moss_pair_dialog_show_code (MossPairDialog *self);
void moss_pair_dialog_show_type (MossPairDialog *self, const char *where);

G_END_DECLS
