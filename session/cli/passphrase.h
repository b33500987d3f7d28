/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

char *moss_passphrase_ask (const char *prompt, GError **error);
void moss_passphrase_free (char *passphrase);

G_END_DECLS
