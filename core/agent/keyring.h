// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "core/agent/keys.h"

G_BEGIN_DECLS

void moss_keyring_make (GAsyncReadyCallback callback, gpointer user_data);
GBytes *moss_keyring_make_finish (GAsyncResult *result, char **item, GError **error);
void moss_keyring_find (const char *item, GAsyncReadyCallback callback, gpointer user_data);
GBytes *moss_keyring_find_finish (GAsyncResult *result, GError **error);

G_END_DECLS
