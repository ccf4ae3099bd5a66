import java.io.Serializable;
import java.util.List;
import java.util.Map;
import org.jenkinsci.plugins.scriptsecurity.sandbox.whitelists.Whitelisted;

/** The `currentBuild` variable, with the members that the library uses. Source: workflow-support RunWrapper.java */
public class BuildVariable implements Serializable {

    private static final long serialVersionUID = 1L;

    @Whitelisted
    public String getExternalizableId() {
        return "shop/deploy#1";
    }

    @Whitelisted
    public String getFullProjectName() {
        return "shop/deploy";
    }

    @Whitelisted
    public int getNumber() {
        return 1;
    }

    @Whitelisted
    public String getCurrentResult() {
        return Engine.current().state.result == null ? "SUCCESS" : Engine.current().state.result;
    }

    @Whitelisted
    public String getAbsoluteUrl() {
        return "https://jenkins.example/job/shop/job/deploy/1/";
    }

    @Whitelisted
    public List<Map<String, String>> getBuildCauses() {
        return List.of(Map.of("userId", "ana"));
    }

    @Whitelisted
    public List<Map<String, String>> getBuildCauses(String type) {
        return type.endsWith("UserIdCause") ? getBuildCauses() : List.of();
    }

}
