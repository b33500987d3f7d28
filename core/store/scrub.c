// SPDX-License-Identifier: LGPL-2.1-or-later
/* Scrubbing: every object is read and its hash compared with its id, a piece at a time, so that
 * it can go on for days beside everything else. What is damaged is forgotten and told, so that
 * it can be fetched again from where it is whole. */
#define G_LOG_DOMAIN "moss-store"

#include "core/store/store-private.h"

enum
{
  AT_ONCE = 256,
};

/**
 * moss_store_scrub:
 * @after: (inout): zeros to begin; where the next call goes on; zeros again when all is done
 * @max_bytes: about how much to read in this call
 * @damaged: (nullable): called for each object that was damaged and is no longer here
 *
 * Reads from the disk; any thread.
 */
gboolean
moss_store_scrub (MossStore *store,
                  MossId *after,
                  guint64 max_bytes,
                  MossStoreDamaged damaged,
                  gpointer user_data,
                  GError **error)
{
  guint64 done = 0;

  while (done < max_bytes)
    {
      g_autoptr (GArray) ids = moss_store_list (store, after, AT_ONCE, error);

      if (ids == NULL)
        return FALSE;
      if (ids->len == 0)
        {
          *after = (MossId){ { 0 } };
          return TRUE;
        }
      for (guint i = 0; i < ids->len && done < max_bytes; i++)
        {
          g_autoptr (GBytes) sealed = NULL;
          g_autoptr (GError) local = NULL;

          *after = g_array_index (ids, MossListed, i).id;
          sealed = moss_store_get_raw (store, after, &local);
          if (sealed != NULL)
            done += g_bytes_get_size (sealed);
          else if (!g_error_matches (local, MOSS_STORE_ERROR, MOSS_STORE_ERROR_MISSING) &&
                   damaged != NULL)
            damaged (after, user_data);
        }
    }
  return TRUE;
}
