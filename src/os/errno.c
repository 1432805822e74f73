#include "os/errno.h"

#include <errno.h>

enum err os_err_from_errno(int error)
{
    switch (error) {
    case ENOENT:
        return E_NOT_FOUND;
    case EEXIST:
    case ENOTEMPTY:
        return E_EXISTS;
    case EACCES:
    case EPERM:
    case EROFS:
        return E_DENIED;
    case ENOSPC:
    case EDQUOT:
    case EFBIG: /* the limit of the process or the file system: no more room for this file */
        return E_NO_SPACE;
    case EMFILE:
    case ENFILE:
        return E_TOO_MANY_FILES;
    case ENOMEM:
    case ENOBUFS:
        return E_NOMEM;
    case EAGAIN:
    case EINPROGRESS:
        return E_AGAIN;
    case EBUSY:
    case EADDRINUSE:
        return E_BUSY;
    case EPIPE:
    case ECONNRESET:
    case ECONNREFUSED:
    case ECONNABORTED:
    case ENOTCONN:
        return E_CLOSED;
    case ETIMEDOUT:
        return E_TIMEOUT;
    case EINVAL:
    case ENAMETOOLONG:
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
        return E_INVAL;
    default:
        return E_IO;
    }
}
