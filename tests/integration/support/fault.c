/* Preloaded into a hub: while the file named by FAULT_FILE exists, what it says fails for the store's files:
   "write" with ENOSPC, "sync" with EIO. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int fails(int fd, const char *what) {
    char said[8] = "", link[64], name[4096];
    const char *file = getenv("FAULT_FILE");
    int told = file ? open(file, O_RDONLY) : -1;
    if (told < 0) return 0;
    ssize_t got = read(told, said, sizeof said - 1);
    close(told);
    if (got <= 0 || strncmp(said, what, strlen(what)) != 0) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, name, sizeof name - 1);
    if (length <= 0) return 0;
    name[length] = 0;
    return strstr(name, "/hub.db") != NULL && strstr(name, ".lock") == NULL;
}

#define REAL(name) (__typeof__(&name)) dlsym(RTLD_NEXT, #name)

ssize_t write(int fd, const void *from, size_t count) {
    if (fails(fd, "write")) { errno = ENOSPC; return -1; }
    return (REAL(write))(fd, from, count);
}

ssize_t pwrite(int fd, const void *from, size_t count, off_t at) {
    if (fails(fd, "write")) { errno = ENOSPC; return -1; }
    return (REAL(pwrite))(fd, from, count, at);
}

ssize_t pwrite64(int fd, const void *from, size_t count, off64_t at) {
    if (fails(fd, "write")) { errno = ENOSPC; return -1; }
    return (REAL(pwrite64))(fd, from, count, at);
}

int fsync(int fd) {
    if (fails(fd, "sync")) { errno = EIO; return -1; }
    return (REAL(fsync))(fd);
}

int fdatasync(int fd) {
    if (fails(fd, "sync")) { errno = EIO; return -1; }
    return (REAL(fdatasync))(fd);
}
