/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "registry.h"

#include <gio/gio.h>
#include <gio/gunixfdlist.h>

G_BEGIN_DECLS

/* One call of one caller, carried out in a thread of its own. */
typedef struct
{
  MossRegistry *registry;
  uid_t caller;
  GVariant *parameters;  /* checked against the interface by GDBus */
  GUnixFDList *fds_in;   /* or NULL */
  GUnixFDList *fds_out;  /* to be filled */
} MossRequest;

/* Returns the floating tuple of out arguments, or NULL with error. Blocks. */
typedef GVariant *(*MossRequestHandler) (MossRequest *request, GError **error);

/* NULL when there is no such method. */
MossRequestHandler moss_request_find_handler (const char *method);

/* Takes the fd; returns its index in the answer, or -1 with error. */
int moss_request_add_fd (MossRequest *request, int fd, GError **error);
/* A duplicate of the fd that a handle argument names, or -1 with error. */
int moss_request_get_fd (MossRequest *request, gint32 handle, GError **error);

/* Handlers of other files. */
GVariant *moss_request_hello (MossRequest *request, GError **error);

G_END_DECLS
