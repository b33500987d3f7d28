/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "manager.h"

G_BEGIN_DECLS

/* Lets the apps in sandboxes ask for functions: keeps a connection to moss-init of each running
 * sandbox and gives the broker those who knock there. Main context. */
typedef struct _MossFunctions MossFunctions;

MossFunctions *moss_functions_new (MossManager *manager);
void moss_functions_free (MossFunctions *functions);

G_END_DECLS
