package hudson

/** Replaces the exception of steps that fail with a message only. */
class AbortException extends IOException {

    private static final long serialVersionUID = 1L

    AbortException(String message) {
        super(message)
    }

}
