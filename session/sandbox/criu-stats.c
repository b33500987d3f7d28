/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "moss-criu"
#include "criu-stats.h"
#include "criu-rpc.pb-c.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATS_FILE "stats-dump"
#define SERVICE_MAGIC 0x55105940u
#define STATS_MAGIC 0x57093306u
#define HEADER_SIZE 12

char *
moss_criu_read_tail (int dirfd, const char *name, gsize max, gsize *size)
{
  int fd = openat (dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  struct stat st;
  char *text = NULL;
  ssize_t n = -1;

  if (fd >= 0 && fstat (fd, &st) == 0 && S_ISREG (st.st_mode))
    {
      text = g_malloc0 (max + 1);
      n = pread (fd, text, max, MAX (0, st.st_size - (off_t)max));
    }
  if (fd >= 0)
    close (fd);
  if (n < 0)
    {
      g_free (text);
      return NULL;
    }
  if (size != NULL)
    *size = n;
  return text;
}

void
moss_criu_read_dump_stats (int images_dirfd, MossCriuStats *stats)
{
  gsize size;
  g_autofree char *bytes = moss_criu_read_tail (images_dirfd, STATS_FILE, 4096, &size);
  guint32 header[3];
  MossCriu__Stats *message;

  unlinkat (images_dirfd, STATS_FILE, 0);
  if (bytes == NULL || size < HEADER_SIZE)
    return;
  memcpy (header, bytes, HEADER_SIZE);
  if (header[0] != SERVICE_MAGIC || header[1] != STATS_MAGIC
      || header[2] > size - HEADER_SIZE)
    return;
  message = moss_criu__stats__unpack (NULL, header[2], (guint8 *)bytes + HEADER_SIZE);
  if (message == NULL)
    return;
  if (message->dump != NULL)
    {
      stats->criu_frozen_us = message->dump->frozen_time;
      stats->frozen_at_us -= message->dump->freezing_time;
      stats->pages = message->dump->pages_written + message->dump->shpages_written;
    }
  moss_criu__stats__free_unpacked (message, NULL);
}
