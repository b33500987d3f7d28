// SPDX-License-Identifier: GPL-3.0-or-later
/* Devices of an identity for tests: a store and a tree each, in a directory of their own, and a
 * chain that is a table of signing keys. */
#pragma once

#include "vfs/tree/tree.h"

#define KIT_DEVICES_MAX 8

typedef struct _Kit Kit;

typedef struct
{
  Kit *kit;
  guint slot;
  guint8 id[32];
  char *name;
  char *dir;
  MossStore *store;
  MossTree *tree;
  GBytes *secret;
  GBytes *public_key;
  gboolean locked;  /* the agent doesn't sign */
  gboolean own_keys; /* equal things have other names in its store */
  gboolean cut_off; /* nothing can be fetched */
  guint fetched;    /* objects */
  guint commits;    /* that were announced */
  GPtrArray *changed; /* "ino name" as they were told */
  GMutex lock;
} Device;

struct _Kit
{
  char *dir;
  guint suite;
  guint8 tree_id[32];
  guint8 user_key[32];
  guint commit_after_ms;
  Device devices[KIT_DEVICES_MAX];
  guint count;
};

void kit_init (Kit *kit, guint devices, guint suite);
void kit_clear (Kit *kit);
void device_open (Device *device, gboolean fresh_mount);
gboolean device_try_open (Device *device, gboolean fresh_mount, GError **error);
void device_close (Device *device);
/* As if the process had been killed: nothing is committed, the files stay as they are. */
void device_copy_state (Device *device, const char *to);
GBytes *device_record (Device *device);

guint64 kit_write_file (MossTree *tree, const char *path, const char *text);
char *kit_read_file (MossTree *tree, const char *path);
/* All names, modes, links, sizes, contents, attributes: to compare two trees. */
char *kit_dump (MossTree *tree);
guint64 kit_mkdir (MossTree *tree, const char *path);
guint64 kit_ino (MossTree *tree, const char *path);
GPtrArray *kit_names (MossTree *tree, const char *path);
void kit_remove_dir (const char *path);
