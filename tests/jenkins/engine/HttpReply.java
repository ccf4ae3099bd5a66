import java.io.Serializable;
import org.jenkinsci.plugins.scriptsecurity.sandbox.whitelists.Whitelisted;

/** The value of the httpRequest step. Source: http-request ResponseContentSupplier.java */
public final class HttpReply implements Serializable {

    private static final long serialVersionUID = 1L;

    private final int status;
    private final String content;

    HttpReply(int status, String content) {
        this.status = status;
        this.content = content;
    }

    @Whitelisted
    public int getStatus() {
        return status;
    }

    @Whitelisted
    public String getContent() {
        return content;
    }

}
