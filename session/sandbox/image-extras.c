/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What belongs to files: deleted files that are still open, terminals, locks, and what is
 * under way in pipes and sockets.
 *
 * Policy: a deleted file that CRIU makes anew is a plain file, directory or fifo, not
 * set-id, of a user of the sandbox and within the size that the policy allows; a terminal
 * is a pseudo terminal. */
#define G_LOG_DOMAIN "moss-image"
#include "image-read.h"

#include <string.h>
#include <sys/stat.h>

enum
{
  REMAP_LINKED = 0,
  REMAP_GHOST = 1,
  REMAP_PROCFS = 2
};

enum
{
  TTY_PTY = 1,
  TTY_CONTROLLING = 4
};

#define MAX_PTY 4096
#define SCM_RIGHTS_TYPE 1
#define MAX_QUEUED (64u << 20)

static gboolean
check_remap (ImageReader *r, gpointer message, GError **error)
{
  const MossImage__Remap *m = message;

  if (m->type > REMAP_PROCFS)
    return image_denied (r->set, error, "a deleted file of an unknown kind (%u)",
                         m->type);
  g_ptr_array_add (r->set->remaps, g_memdup2 (m, sizeof *m));
  return TRUE;
}

gboolean
image_check_remap (ImageReader *r, GError **error)
{
  return image_each (r, &moss_image__remap__descriptor, check_remap, error);
}

static gboolean
check_ghost_meta (ImageSet *s, const MossImage__Ghost *m, GError **error)
{
  if (!S_ISREG (m->mode) && !S_ISDIR (m->mode) && !S_ISFIFO (m->mode))
    return image_denied (s, error, "a deleted file is a device, link or socket (mode %o)",
                         m->mode);
  if ((m->mode & (S_ISUID | S_ISGID)) != 0)
    return image_denied (s, error, "a deleted file is set-uid or set-gid");
  if (m->rdev != 0)
    return image_denied (s, error, "a deleted file is a device");
  if (m->size > s->policy->max_bytes)
    return image_denied (s, error, "a deleted file is too big");
  return image_check_ids (s, m->uid, m->gid, "a deleted file", error);
}

/* Chunks: where a run of bytes belongs, then the bytes. */
static gboolean
check_chunks (ImageReader *r, guint64 size, GError **error)
{
  while (!image_at_end (r))
    {
      MossImage__GhostChunk *m
          = image_read_message (r, &moss_image__ghost_chunk__descriptor, error);
      guint64 length, offset;

      if (m == NULL)
        return FALSE;
      length = m->length;
      offset = m->offset;
      protobuf_c_message_free_unpacked ((ProtobufCMessage *)m, NULL);
      if (offset > size || length > size - offset)
        return image_corrupt (r->set, error, "a part lies outside the deleted file");
      if (!image_skip (r, length, error))
        return FALSE;
    }
  return TRUE;
}

gboolean
image_check_ghost (ImageReader *r, GError **error)
{
  MossImage__Ghost *m = image_read_message (r, &moss_image__ghost__descriptor, error);
  gboolean ok = m != NULL && check_ghost_meta (r->set, m, error);
  gboolean chunks = ok && m->chunks, regular = ok && S_ISREG (m->mode);
  guint64 size = ok ? m->size : 0;

  if (m != NULL)
    protobuf_c_message_free_unpacked ((ProtobufCMessage *)m, NULL);
  if (!ok)
    return FALSE;
  image_remember (r->set->ghosts, r->set->number);
  if (chunks)
    return check_chunks (r, size, error);
  if (!regular && !image_at_end (r))
    return image_corrupt (r->set, error, "something follows its only entry");
  return image_skip (r, r->size - r->at, error);
}

static gboolean
check_tty_info (ImageReader *r, gpointer message, GError **error)
{
  const MossImage__TtyInfo *m = message;
  ImageSet *s = r->set;

  if (m->type != TTY_PTY && m->type != TTY_CONTROLLING)
    return image_denied (s, error, "a terminal is a real device (kind %u)", m->type);
  if (m->pty != NULL && m->pty->index >= MAX_PTY)
    return image_corrupt (s, error, "terminal number %u is impossible", m->pty->index);
  if (!image_remember (s->ttys, m->id))
    return image_corrupt (s, error, "a terminal stands twice");
  return image_check_ids (s, m->uid, m->gid, "a terminal", error);
}

gboolean
image_check_tty_info (ImageReader *r, GError **error)
{
  return image_each (r, &moss_image__tty_info__descriptor, check_tty_info, error);
}

static gboolean
check_tty_data (ImageReader *r, gpointer message, GError **error)
{
  const MossImage__TtyData *m = message;

  return image_knows (r->set->ttys, m->tty) || r->set->alone
         || image_corrupt (r->set, error, "data of a terminal that is not there");
}

gboolean
image_check_tty_data (ImageReader *r, GError **error)
{
  return image_each (r, &moss_image__tty_data__descriptor, check_tty_data, error);
}

static gboolean
check_lock (ImageReader *r, gpointer message, GError **error)
{
  const MossImage__FileLock *m = message;

  if (m->fd < 0 || m->pid <= 0)
    return image_corrupt (r->set, error, "a lock of nobody");
  return r->set->alone || image_knows (r->set->processes, m->pid)
         || image_corrupt (r->set, error, "a lock of process %d that is not there",
                           m->pid);
}

gboolean
image_check_file_locks (ImageReader *r, GError **error)
{
  return image_each (r, &moss_image__file_lock__descriptor, check_lock, error);
}

/* Each entry is followed by its bytes. */
static gboolean
check_packet (ImageReader *r, gpointer message, GError **error)
{
  const MossImage__Packet *m = message;

  for (gsize i = 0; i < m->n_control; i++)
    {
      if (m->control[i]->type != SCM_RIGHTS_TYPE || m->control[i]->n_rights > 253)
        return image_denied (r->set, error, "a message carries something unknown");
      for (gsize k = 0; k < m->control[i]->n_rights; k++)
        image_use_file (r->set, m->control[i]->rights[k]);
    }
  if (m->length > MAX_QUEUED)
    return image_corrupt (r->set, error, "a message is too long");
  return image_skip (r, m->length, error);
}

gboolean
image_check_queues (ImageReader *r, GError **error)
{
  return image_each (r, &moss_image__packet__descriptor, check_packet, error);
}

static gboolean
check_pipe_data (ImageReader *r, gpointer message, GError **error)
{
  const MossImage__PipeData *m = message;

  if (m->bytes > MAX_QUEUED || m->size > MAX_QUEUED)
    return image_corrupt (r->set, error, "a pipe holds too much");
  return image_skip (r, m->bytes, error);
}

gboolean
image_check_pipe_data (ImageReader *r, GError **error)
{
  return image_each (r, &moss_image__pipe_data__descriptor, check_pipe_data, error);
}
