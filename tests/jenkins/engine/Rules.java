import groovy.lang.GroovyClassLoader;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.Member;
import java.lang.reflect.Method;
import java.util.Arrays;
import java.util.List;
import org.codehaus.groovy.runtime.GStringImpl;
import org.codehaus.groovy.runtime.ScriptBytecodeAdapter;
import org.jenkinsci.plugins.scriptsecurity.sandbox.Whitelist;
import org.jenkinsci.plugins.scriptsecurity.sandbox.whitelists.Whitelisted;

/**
 * Permits what Jenkins permits beside the lists of script-security: the scripts' own classes, steps, and variables.
 * Sources: workflow-cps CpsWhitelist.java, GroovyClassLoaderWhitelist.java, script-security AnnotatedWhitelist.java
 */
final class Rules extends Whitelist {

    private final Whitelist lists;
    private final List<ClassLoader> own;

    Rules(Whitelist lists, ClassLoader... own) {
        this.lists = lists;
        // Classes of the JDK have no loader, which List.of does not accept.
        this.own = Arrays.asList(own);
    }

    private boolean isOwn(Member member) {
        ClassLoader loader = member.getDeclaringClass().getClassLoader();
        return !member.isSynthetic() && own.contains(loader instanceof GroovyClassLoader.InnerLoader ? loader.getParent() : loader);
    }

    @Override
    public boolean permitsMethod(Method method, Object receiver, Object[] arguments) {
        String name = method.getName();
        return isOwn(method) || method.isAnnotationPresent(Whitelisted.class)
            || receiver instanceof PipelineBase && name.equals("invokeMethod")
            || receiver instanceof PipelineBase && name.equals("getProperty") && Engine.current().isVariable((String) arguments[0])
            || receiver instanceof StepsVariable && name.equals("invokeMethod")
            || receiver instanceof EnvVariable && (name.equals("getProperty") || name.equals("setProperty"))
            || lists.permitsMethod(method, receiver, arguments);
    }

    @Override
    public boolean permitsConstructor(Constructor<?> constructor, Object[] arguments) {
        Class<?> type = constructor.getDeclaringClass();
        return isOwn(constructor) || type == GStringImpl.class || type == PipelineBase.class || lists.permitsConstructor(constructor, arguments);
    }

    @Override
    public boolean permitsStaticMethod(Method method, Object[] arguments) {
        Class<?> type = method.getDeclaringClass();
        return isOwn(method) || type == ScriptBytecodeAdapter.class && method.getName().equals("asType")
            || type.getName().startsWith("com.cloudbees.groovy.cps.Cps") || lists.permitsStaticMethod(method, arguments);
    }

    @Override
    public boolean permitsFieldGet(Field field, Object receiver) {
        return isOwn(field) || lists.permitsFieldGet(field, receiver);
    }

    @Override
    public boolean permitsFieldSet(Field field, Object receiver, Object value) {
        return isOwn(field) || lists.permitsFieldSet(field, receiver, value);
    }

    @Override
    public boolean permitsStaticFieldGet(Field field) {
        return isOwn(field) || lists.permitsStaticFieldGet(field);
    }

    @Override
    public boolean permitsStaticFieldSet(Field field, Object value) {
        return isOwn(field) || lists.permitsStaticFieldSet(field, value);
    }

}
