#pragma once

#include "base/err.h"

/*
 * The one place where what the system says becomes an `enum err`.
 *
 *   ENOENT                    E_NOT_FOUND
 *   EEXIST ENOTEMPTY          E_EXISTS
 *   EACCES EPERM EROFS        E_DENIED
 *   ENOSPC EDQUOT EFBIG       E_NO_SPACE
 *   EMFILE ENFILE             E_TOO_MANY_FILES
 *   ENOMEM ENOBUFS            E_NOMEM
 *   EAGAIN EINPROGRESS        E_AGAIN
 *   EBUSY EADDRINUSE          E_BUSY
 *   EPIPE ECONNRESET and kin  E_CLOSED
 *   ETIMEDOUT                 E_TIMEOUT
 *   EINVAL ENAMETOOLONG ENOTDIR EISDIR ELOOP EADDRNOTAVAIL EAFNOSUPPORT  E_INVAL
 *   anything else             E_IO
 */
enum err os_err_from_errno(int error);
